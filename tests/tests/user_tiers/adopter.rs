//! The adopter of the tier `scan`: the process that hears of the forks of what was taken in.

use killer_tests::{Bystander, Launch, Pidfd, TestEnv, eventually};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;

/// The registry's mark of the only adopter says its number: `alive.SLOT.GENERATION.NUMBER.START`.
fn adopter(env: &TestEnv) -> i32 {
    let marks = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names: Vec<String> = marks(env.path("run"))
        .flat_map(|e| marks(e.path()))
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    let found = names.iter().find_map(|n| n.strip_prefix("alive.")?.split('.').nth(2)?.parse().ok());
    found.unwrap_or_else(|| panic!("no mark in {names:?}"))
}

const BEHIND: Duration = Duration::from_secs(4);

/// An adopted tree that makes an orphan when it is told to, with its adopter.
struct Adopted {
    env: TestEnv,
    tree: Bystander,
    adopter: Pidfd,
    number: i32,
}

fn adopted(test: &str) -> Option<Adopted> {
    let env = super::scan_as_root(test)?;
    let script =
        "echo ready > $1; until [ -e $2 ]; do sleep 0.05; done; (sleep 20 & echo $! > $3); exec sleep 20";
    let [trigger, born] = ["run/trigger", "run/orphan"].map(|f| env.path(f).to_string_lossy().into_owned());
    let tree = Launch::shell(script).arg(trigger).arg(born).direct(test)?;
    env.killer(["adopt", "svc", "--pid", &tree.pid().to_string()]).ok();
    let number = adopter(&env);
    Some(Adopted { env, tree, adopter: Pidfd::open(number).expect("the adopter"), number })
}

impl Adopted {
    /// Nobody lives on, the orphan neither.
    #[track_caller]
    fn kill_whole(&self) {
        self.env.killer(["-s", "KILL", "svc"]).ok().silent();
        assert!(self.tree.live.eof_within(Duration::from_secs(5)), "the orphan lives on");
        self.env.killer(["status", "svc"]).code(3);
    }

    fn stop_adopter(&self) {
        self.adopter.signal(Signal::STOP);
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", self.number));
        assert!(eventually(Duration::from_secs(5), || stat().is_ok_and(|s| s.contains(") T "))));
    }

    fn make_orphan(&self) {
        std::fs::write(self.env.path("run/trigger"), "").expect("the trigger");
        let born = || std::fs::read_to_string(self.env.path("run/orphan")).is_ok_and(|s| s.ends_with('\n'));
        assert!(eventually(Duration::from_secs(5), born));
    }
}

/// An orphan whose creator has ended is known by what the kernel told the adopter alone. An adopter that is behind is waited for.
#[test]
fn one_that_is_behind_is_waited_for() {
    let Some(a) = adopted("one_that_is_behind_is_waited_for") else { return };
    a.stop_adopter();
    a.make_orphan();
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(BEHIND);
            a.adopter.signal(Signal::CONT);
        });
        a.kill_whole();
    });
}

/// More forks of others than the kernel keeps for a listener by default: none is lost.
#[test]
fn a_busy_host_is_heard() {
    let Some(a) = adopted("a_busy_host_is_heard") else { return };
    a.stop_adopter();
    for _ in 0..200 {
        assert!(std::process::Command::new("true").status().expect("true").success());
    }
    a.make_orphan();
    a.adopter.signal(Signal::CONT);
    a.kill_whole();
}

/// What was told and not heard is a reason. A thread is told of, too, and costs less than a process.
#[test]
fn what_went_unheard_is_a_reason() {
    let Some(a) = adopted("what_went_unheard_is_a_reason") else { return };
    a.stop_adopter();
    for _ in 0..30_000 {
        std::thread::Builder::new()
            .stack_size(1 << 16)
            .spawn(|| ())
            .expect("a thread")
            .join()
            .expect("its end");
    }
    a.adopter.signal(Signal::CONT);
    let said = || a.env.killer(["status", "-o", "json", "svc"]).stdout.contains("forks-unheard");
    assert!(eventually(Duration::from_secs(10), said));
    a.kill_whole();
}
