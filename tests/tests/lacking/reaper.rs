//! A PID 1 that waits for nobody, as a container's `sleep` does: what of ours needs no reaper leaves no zombie, and `doctor` tells of
//! the rest.

use super::scan;
use killer_tests::{Pidfd, TestEnv, eventually, killer, proc_state, skip};

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A PID namespace whose init is a `sleep`; `script` runs in it, beside, and says that it is through by a file.
struct Place(Child);

impl Place {
    fn new(env: &TestEnv, script: &str) -> Option<Place> {
        let through = env.path("through");
        let whole = format!("(cd /; {script}) >\"$2/out\" 2>\"$2/err\" </dev/null & exec sleep 100");
        let marked = whole.replacen(") >", &format!("; touch '{}') >", through.display()), 1);
        let ours = env.command();
        let mut command = Command::new("unshare");
        // What busybox's has, too: guests with newer kernels have no other one.
        command.args(["-p", "-f", "--mount-proc", "sh", "-c", &marked, "sh"]);
        command.arg(killer()).arg(env.dir.path()).stdin(Stdio::null());
        command.envs(ours.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let Ok(child) = command.spawn() else {
            skip(&env.test, "no unshare");
            return None;
        };
        let place = Place(child);
        let done = eventually(Duration::from_secs(60), || through.exists());
        assert!(done, "the script does not end: {}", env.said());
        Some(place)
    }

    /// Every process of the host, and the init among them.
    fn all(&self) -> (Vec<i32>, Option<i32>) {
        let me = self.0.id() as i32;
        let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let all: Vec<i32> = names.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        let init = all.iter().copied().find(|&p| parent(p) == Some(me));
        (all, init)
    }

    /// Zombies of `killer` whom its init has not waited for.
    fn zombies(&self) -> Vec<i32> {
        let (all, init) = self.all();
        let init = init.expect("its init");
        let ours = |p: i32| {
            std::fs::read_to_string(format!("/proc/{p}/comm")).is_ok_and(|c| c.starts_with("killer"))
        };
        all.into_iter()
            .filter(|&p| parent(p) == Some(init) && proc_state(p) == Some('Z') && ours(p))
            .collect()
    }
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|r| r.split_whitespace().nth(1)?.parse().ok())
}

impl Drop for Place {
    fn drop(&mut self) {
        // With its init the whole namespace ends. It is a child of our child, which has not been waited for.
        if let Some(init) =
            self.all().1.and_then(Pidfd::open).filter(|i| parent(i.pid) == Some(self.0.id() as i32))
        {
            init.signal(rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

trait Said {
    fn said(&self) -> String;
}

impl Said for TestEnv {
    fn said(&self) -> String {
        let text = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        format!("{}{}", text("out"), text("err"))
    }
}

/// Its launcher waits for it.
#[test]
fn a_foreground_run_leaves_no_zombie() {
    let Some(env) = scan("a_foreground_run_leaves_no_zombie") else { return };
    let script = "for i in 1 2 3 4 5; do \"$1\" run --name fg -- sh -c 'exit 7'; echo $?; done; \"$1\" run --name none -- /no/such; echo $?; \
                  \"$1\" doctor";
    let Some(place) = Place::new(&env, script) else { return };
    let said = env.said();
    assert!(said.starts_with(&"7\n".repeat(5)), "{said}");
    assert_eq!(place.zombies(), Vec::<i32>::new(), "{said}");
    assert!(!said.contains("killer's own"), "{said}");
}

/// Nobody but PID 1 can wait for it, unless the kernel needs nobody (`CLONE_AUTOREAP`, 7.1+), and then there is no zombie.
#[test]
fn a_detached_one_is_told_by_doctor() {
    let Some(env) = scan("a_detached_one_is_told_by_doctor") else { return };
    let script = "for i in 1 2 3; do \"$1\" run --detach --name d$i -- sleep 100; done; \"$1\" -KILL --wait 'd*'; sleep 1; \"$1\" doctor; echo $?";
    let Some(place) = Place::new(&env, script) else { return };
    let said = env.said();
    let n = place.zombies().len();
    let told = [&format!("{n} of killer's own"), "PID 1 (sleep)", "on this kernel only its parent can"];
    let told = told.iter().all(|words| said.contains(*words));
    match n {
        0 => assert!(!said.contains("killer's own"), "{said}"),
        3 => assert!(told && said.ends_with("0\n") && killer_tests::kernel_number() < (7, 1), "{said}"),
        n => panic!("{n} zombies: {said}"),
    }
}
