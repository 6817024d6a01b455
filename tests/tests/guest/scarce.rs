//! A machine whose memory is gone: calls of `killer` fail, and the kernel kills members, and `killer` too.

use killer_tests::{Bystander, Launch, LivePipe, Objects, TestEnv, skip};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What is left to everybody else above what the kernel keeps for itself, in KiB: less than the page tables of one process.
const LEFT: u64 = 256;
const PIECE: usize = 256 << 10;

fn points(points: &[u8]) {
    std::fs::write("/proc/self/oom_score_adj", points).expect("root may make it less likely");
}

/// What is free above the watermark below which only the kernel allocates, in KiB. Of the first zone nothing: it is kept for
/// old devices (`vm.lowmem_reserve_ratio`), so it would seem free for ever.
fn free() -> u64 {
    let text = std::fs::read_to_string("/proc/zoneinfo").expect("/proc is mounted");
    let pages = |zone: &str, what: &str| -> u64 {
        let line = zone.lines().find_map(|l| l.trim().strip_prefix(what)?.trim().parse().ok());
        line.unwrap_or(0)
    };
    let zones = text.split("\nNode ").filter(|z| !z.lines().next().is_some_and(|l| l.ends_with(" DMA")));
    zones.map(|z| pages(z, "pages free").saturating_sub(pages(z, "min ")) * 4).sum()
}

/// Variable that makes the test one that only holds memory.
const BALLAST: &str = "KILLER_TESTS_BALLAST";
/// Pieces that each of them holds.
const HEAVY: usize = 16;

/// Processes that the kernel takes when nobody else is left, each 4 MiB: without them it gives up ("System is deadlocked on
/// memory") where everybody else is dead, or not to be taken, and memory is short for a moment still.
struct Ballast(Vec<std::process::Child>);

impl Ballast {
    fn load() -> Self {
        let one = || {
            let mut command = Command::new(std::env::current_exe().expect("the test"));
            command.args(["--exact", "scarce::memory_is_gone", "--nocapture"]).env(BALLAST, "1");
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = command.spawn().expect("a process that holds memory");
            let mut out = child.stdout.take().expect("a pipe");
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"HEAVY") && std::io::Read::read(&mut out, &mut byte).is_ok_and(|n| n == 1)
            {
                seen.push(byte[0]);
            }
            child
        };
        Self((0..12).map(|_| one()).collect())
    }

    /// Holds memory until whoever waits for it is gone.
    fn be() {
        points(b"-900");
        let held: Vec<Vec<u8>> = (0..HEAVY).map(|_| vec![1; PIECE]).collect();
        println!("HEAVY");
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        drop(held);
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// As any other: what the test itself holds is not to be taken back, and its children would have that from it.
fn fair(mut command: Command) -> Command {
    // SAFETY: open, write and close are async-signal-safe; the child has one thread.
    unsafe {
        command.pre_exec(|| {
            let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY);
            let done = libc::write(file, c"0".as_ptr().cast(), 1);
            libc::close(file);
            if done == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    command
}

/// Takes what there is, once, for as long as `work` goes on. Not what comes free meanwhile: with nobody left to take it from
/// the kernel gives up.
fn while_scarce(work: impl FnOnce()) {
    let (stop, taken) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let hog = scope.spawn(|| {
            let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(1 << 16);
            while free() > LEFT {
                // Not zero: a page that is only zero might be shared.
                pieces.push(vec![1; PIECE]);
            }
            taken.store(true, Ordering::Relaxed);
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        while !taken.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        work();
        stop.store(true, Ordering::Relaxed);
        hog.join().expect("the hog");
    });
}

fn ooms() -> u64 {
    let stat = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    stat.lines().find_map(|l| l.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
}

#[test]
fn memory_is_gone() {
    if std::env::var_os(BALLAST).is_some() {
        return Ballast::be();
    }
    // Neither the test nor who waits for it nor its bystander: the kernel then takes who belongs to nobody here.
    points(b"-1000");
    let waits = format!("/proc/{}/oom_score_adj", std::os::unix::process::parent_id());
    std::fs::write(waits, "-1000").expect("root may make it less likely");
    let Some(env) = TestEnv::new("memory_is_gone") else { return };
    env.killer(["up"]).ok();
    let objects = Objects::new(&env.pin_root);
    let bystander = Bystander::new(&env.test);
    let limit = Duration::from_secs(90);
    let before = ooms();
    let (mut refused, mut killed) = (0, 0);
    for (round, behaviour) in ["bomb", "chains", "revive-three", "star", "bomb", "chains"].iter().enumerate()
    {
        let _ballast = Ballast::load();
        let mut start = env.command();
        start.args(["run", "--name", "svc", "--detach", "--keep-fds", "--"]);
        let count = if *behaviour == "revive-three" { "3" } else { "60" };
        let launch = Launch::new(behaviour).arg(count);
        // Whoever starts it for `killer`, too.
        points(b"0");
        let (run, service) = launch.begin(&env, start, "svc");
        points(b"-1000");
        run.finish(limit).ok();
        std::thread::sleep(Duration::from_millis(500));
        while_scarce(|| {
            // One that is begun without memory: begun or not, nothing half.
            let (other, write) = LivePipe::new();
            rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::empty())
                .expect("a descriptor for the members");
            let mut start = env.command();
            start.args(["run", "--name", "late", "--detach", "--keep-fds", "--", "sleep", "30"]);
            env.spawn(fair(start)).finish(limit);
            drop(write);
            for name in ["svc", "late"] {
                let mut kill = env.command();
                kill.args(["-s", "KILL", "--wait=20s", name]);
                let out = env.spawn(fair(kill)).finish(limit);
                let live = if name == "svc" { &service.live } else { &other };
                match out.exit() {
                    // Its word: everybody is dead.
                    0 => {
                        assert!(live.eof_within(Duration::from_secs(5)), "survivors in round {round}: {out}")
                    }
                    137 => killed += 1,
                    code => {
                        refused += 1;
                        assert!([1, 3, 4, 64, 77, 124].contains(&code), "round {round}: {out}");
                        assert!((1..=6).contains(&out.stderr.lines().count()), "round {round}: {out}");
                    }
                }
            }
        });
        // With memory again every call works, whatever was cut short.
        for name in ["svc", "late"] {
            let out = env.killer(["-s", "KILL", "--wait=20s", name]);
            assert!([0, 3, 4].contains(&out.exit()), "round {round}: {out}");
            env.killer(["forget", name]);
        }
        assert!(service.live.eof_within(Duration::from_secs(5)), "survivors after round {round}");
        let gates = objects.closed_gates();
        assert!(gates.iter().all(|(_, ns)| *ns <= 2_000_000_000), "round {round}: {gates:?}");
        bystander.assert_untouched();
    }
    env.killer(["list"]).ok();
    let oom = ooms() - before;
    println!(r#"FIGURES scarce {{"taken":{oom},"killers":{killed},"refused":{refused}}}"#);
    if oom + refused == 0 {
        skip(&env.test, "there was memory all the time");
    }
}
