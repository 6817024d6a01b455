//! The other ways to end a service, on the same adversaries, in a guest whose PID 1 is systemd. What counts is who still
//! holds the adversary's FIFO afterwards, and whether a bystander lives on; each way is used once, as it is typed.

use crate::say;
use std::ffi::CString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use killer_tests::{LivePipe, ReadyPipe, Said, eventually, monotonic_secs};

const ADVERSARY: &str = "/t/adversary";
const KILLER: &str = "/t/killer";
const SELF: &str = "/t/guest";
const DIR: &str = "/run/peers";
const ELSEWHERE: &str = "/sys/fs/cgroup/elsewhere";
/// Numbers that the adversary is told.
const LIVE: i32 = 200;
const READY: i32 = 201;
/// Seconds after which an adversary ends by itself.
const LEASE: i64 = 12;
/// What a bystander does.
const BYSTANDER: &str = "hold";

/// What is tried.
const CASES: [&str; 21] = [
    "plain",
    "setsid",
    "double-fork",
    "daemon",
    "clear-env",
    "comm",
    "root-exits",
    "leader-exits",
    "exec-nonleader",
    "leaves-cgroup",
    "clone-into-cgroup",
    "systemd-scope",
    "setuid-child",
    "pid-ns",
    "memfd-exec",
    "autoreap",
    "term-ignored",
    "ptraced",
    "revive",
    "chains",
    "bomb",
];

/// By whom.
const WAYS: [&str; 6] = ["killer", "systemctl", "cgroup.kill", "pkill", "killall", "start-stop-daemon"];

/// Everything, a line for each.
pub fn run() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    let _ = std::fs::create_dir_all(DIR);
    let _ = std::fs::create_dir(ELSEWHERE);
    say(&format!("up {}", crate::one_line("/proc/sys/kernel/osrelease")));
    for (program, args) in [("systemctl", "--version"), ("pkill", "--version"), (KILLER, "doctor")] {
        let out = Command::new(program).arg(args).output();
        let text = out.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let wanted = |l: &&str| args != "doctor" || l.starts_with("tier:");
        say(&format!("fact {program} {}", text.lines().find(wanted).unwrap_or_default()));
    }
    for case in CASES {
        for way in WAYS {
            say(&format!("peer {case}|{way}|{}", attempt(case, way)));
        }
    }
}

/// One adversary, one way.
fn attempt(case: &str, way: &str) -> String {
    let there = match way {
        "cgroup.kill" => Path::new(ELSEWHERE).join("cgroup.kill").exists(),
        _ => true,
    };
    if !there {
        return "not there".into();
    }
    let name = format!("peer-{case}-{}", way.replace('.', "-"));
    let (live_path, ready_path) = (fifo(&name, "live"), fifo(&name, "ready"));
    let live = LivePipe::fifo_at(&live_path);
    let mut ready = ReadyPipe::fifo_at(&ready_path);
    let begun = monotonic_secs();
    let words = words(case, &live_path, &ready_path);
    if let Err(why) = start(way, &name, &words) {
        return format!("not started: {why}");
    }
    match ready.next(Duration::from_secs(20)) {
        Some(Said::Ready(_)) => {}
        Some(Said::Skip(reason)) => return format!("skipped: {reason}"),
        other => return format!("not started: {other:?}"),
    }
    let stranger = bystander();
    std::thread::sleep(Duration::from_millis(300));
    let before = holders(&live_path).len();
    kill(way, &name);
    let dead = live.eof_within(Duration::from_millis(900));
    // Both clocks are whole seconds.
    let late = monotonic_secs() - begun >= LEASE - 1;
    let escaped = if dead { 0 } else { holders(&live_path).len().max(1) };
    let stranger_lives = stranger.is_some_and(|(mut child, _)| {
        let lives = !eventually(Duration::from_millis(300), || !matches!(child.try_wait(), Ok(None)));
        let _ = child.kill();
        let _ = child.wait();
        lives
    });
    end(&live, &live_path);
    let _ = std::fs::remove_file(&live_path);
    let _ = std::fs::remove_file(&ready_path);
    let judged =
        if late { "took too long to be judged".into() } else { outcome(before, escaped, stranger_lives) };
    let _ = match way {
        "killer" => Command::new(KILLER).args(["forget", &name]).output(),
        "systemctl" => Command::new("systemctl").args(["stop", &name]).output(),
        _ => return judged,
    };
    judged
}

fn outcome(before: usize, escaped: usize, stranger_lives: bool) -> String {
    let stranger = if stranger_lives { "" } else { ", a stranger died" };
    match escaped {
        0 => format!("all {before} dead{stranger}"),
        n => format!("{n} of {before} escape{stranger}"),
    }
}

fn fifo(name: &str, what: &str) -> PathBuf {
    let path = Path::new(DIR).join(format!("{name}.{what}"));
    let _ = std::fs::remove_file(&path);
    let c = CString::new(path.to_string_lossy().as_bytes()).expect("no NUL");
    let _ = nix::unistd::mkfifo(c.as_c_str(), nix::sys::stat::Mode::from_bits_truncate(0o666));
    path
}

/// `guest enter LIVE READY adversary CASE 200 201 DEADLINE [ARG]`
fn words(case: &str, live: &Path, ready: &Path) -> Vec<String> {
    // A bystander's own end would be taken for its death.
    let lease = if case == BYSTANDER { 100 * LEASE } else { LEASE };
    let deadline = (monotonic_secs() + lease).to_string();
    let (live, ready) = (live.to_string_lossy(), ready.to_string_lossy());
    let numbers = [LIVE.to_string(), READY.to_string(), deadline];
    let mut words: Vec<String> = [SELF, "enter", &live, &ready, ADVERSARY, case].map(str::to_owned).to_vec();
    words.extend(numbers);
    if case.ends_with("cgroup") {
        words.push(ELSEWHERE.into());
    }
    words
}

fn start(way: &str, name: &str, words: &[String]) -> Result<(), String> {
    let mut command = match way {
        "killer" => Command::new(KILLER),
        "systemctl" => Command::new("systemd-run"),
        "start-stop-daemon" => Command::new("start-stop-daemon"),
        _ => Command::new(SELF),
    };
    match way {
        "killer" => command.args(["run", "--name", name, "--detach", "--keep-fds", "--"]).args(words),
        "systemctl" => command
            .args(["--quiet", "--unit", name, "-p", "TasksMax=infinity", "-p", "RemainAfterExit=yes"])
            .args(words),
        "start-stop-daemon" => {
            let pidfile = format!("{DIR}/{name}.pid");
            command.args(["--start", "--background", "--make-pidfile", "--pidfile", &pidfile]);
            command.args(["--startas", SELF, "--"]).args(&words[1..])
        }
        "cgroup.kill" => {
            let dir = format!("/sys/fs/cgroup/{name}");
            let _ = std::fs::create_dir(&dir);
            command.args(["enter-cgroup", &dir]).args(words)
        }
        _ => command.args(&words[1..]),
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if matches!(way, "killer" | "systemctl" | "start-stop-daemon") {
        let status = command.status().map_err(|e| e.to_string())?;
        return if status.success() { Ok(()) } else { Err(status.to_string()) };
    }
    // Nobody waits for it: systemd, or whoever is the reaper here, takes the zombie with this program's end.
    command.process_group(0).spawn().map(drop).map_err(|e| e.to_string())
}

fn kill(way: &str, name: &str) {
    let pidfile = format!("{DIR}/{name}.pid");
    let unit = format!("{name}.service");
    let args: Vec<&str> = match way {
        "killer" => vec![KILLER, "-s", "KILL", "--who=all", name],
        "systemctl" => vec!["systemctl", "kill", "-s", "KILL", "--kill-whom=all", &unit],
        "pkill" => vec!["pkill", "-KILL", "-x", "adversary"],
        "killall" => vec!["killall", "-q", "-KILL", "adversary"],
        "start-stop-daemon" => {
            vec!["start-stop-daemon", "--stop", "--oknodo", "--signal", "KILL", "--pidfile", &pidfile]
        }
        _ => {
            let _ = std::fs::write(format!("/sys/fs/cgroup/{name}/cgroup.kill"), "1");
            return;
        }
    };
    let _ = Command::new(args[0]).args(&args[1..]).stdin(Stdio::null()).output();
}

/// The same program, but nobody's member.
fn bystander() -> Option<(std::process::Child, PathBuf)> {
    let path = fifo("bystander", "live");
    let live = LivePipe::fifo_at(&path);
    let ready = fifo("bystander", "ready");
    let mut reader = ReadyPipe::fifo_at(&ready);
    let words = words(BYSTANDER, &path, &ready);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().ok()?;
    let _ = reader.next(Duration::from_secs(10));
    drop(live);
    Some((child, path))
}

/// Who has the FIFO open for writing.
fn holders(fifo: &Path) -> Vec<i32> {
    let me = std::process::id() as i32;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        // A leader that has exited has no descriptors to show, its threads have.
        for task in std::fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten() {
            let fds = std::fs::read_dir(task.path().join("fd")).into_iter().flatten().flatten();
            if pid != me && fds.filter_map(|f| std::fs::read_link(f.path()).ok()).any(|l| l == fifo) {
                found.push(pid);
                break;
            }
        }
    }
    found
}

/// Makes an end of it, so that the next attempt begins with nothing.
fn end(live: &LivePipe, fifo: &Path) {
    use nix::sys::signal::{Signal, kill};
    let mut stopped = std::collections::HashSet::new();
    urgent(libc::SCHED_FIFO, 1);
    eventually(Duration::from_secs(LEASE as u64 + 10), || {
        // Who is stopped does not fork: a bomb that is only killed is as large as before.
        let found = holders(fifo);
        let fresh = found.iter().filter(|pid| stopped.insert(**pid)).count();
        let signal = if fresh > 0 { Signal::SIGSTOP } else { Signal::SIGKILL };
        for pid in found {
            let _ = kill(nix::unistd::Pid::from_raw(pid), signal);
        }
        live.eof_within(Duration::ZERO)
    });
    urgent(libc::SCHED_OTHER, 0);
    while let Ok(status) = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG)) {
        if status == nix::sys::wait::WaitStatus::StillAlive {
            break;
        }
    }
}

/// Before every forker, or as all (musl's function of that name is a stub).
fn urgent(policy: i32, priority: i32) {
    // SAFETY: numbers, and a `struct sched_param` (one int) that lives through the call; 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
}

/// `enter LIVE READY CMD…`: becomes CMD with the two FIFOs open for writing under their numbers.
pub fn enter(args: &[String]) {
    for (path, number) in [(&args[0], LIVE), (&args[1], READY)] {
        let file = std::fs::OpenOptions::new().write(true).open(path).expect("FIFO");
        // SAFETY: both descriptors are ours; the copy is what CMD inherits.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), number) };
    }
    // When memory runs out the kernel takes an adversary, never the judge or the bystander.
    let points = if args.iter().any(|a| a == BYSTANDER) { "-1000" } else { "0" };
    std::fs::write("/proc/self/oom_score_adj", points).expect("/proc");
    let error = Command::new(&args[2]).args(&args[3..]).env("KILLER_GUEST", "1").exec();
    eprintln!("cannot start {}: {error}", args[2]);
}

/// `enter-cgroup DIR CMD…`: becomes CMD in that cgroup.
pub fn enter_cgroup(args: &[String]) {
    std::fs::write(format!("{}/cgroup.procs", args[0]), "0").expect("cgroup");
    let error = Command::new(&args[1]).args(&args[2..]).exec();
    eprintln!("cannot start {}: {error}", args[1]);
}
