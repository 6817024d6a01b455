//! `killer selftest`: that it passes here, says so in every format, and leaves nothing behind however it ends.

use killer_tests::{Out, TestEnv, eventually};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Pins of self-tests that belong to this test's tracker.
fn pins(env: &TestEnv) -> Vec<PathBuf> {
    let name = format!("{}-selftest-", env.pin_root.file_name().expect("a name").to_string_lossy());
    let dir = std::fs::read_dir(env.pin_root.parent().expect("a bpffs"));
    let all = dir.into_iter().flatten().flatten().map(|e| e.path());
    all.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&name))).collect()
}

/// Janitors of self-tests that belong to this test's tracker.
fn janitors(env: &TestEnv) -> Vec<i32> {
    let ours = format!("KILLER_PIN_ROOT={}-selftest-", env.pin_root.display());
    let has = |dir: &Path, file: &str, word: &str| {
        std::fs::read(dir.join(file))
            .is_ok_and(|b| String::from_utf8_lossy(&b).split('\0').any(|w| w.starts_with(word)))
    };
    let dir = std::fs::read_dir("/proc").expect("/proc").flatten().map(|e| e.path());
    let found = dir.filter(|d| has(d, "cmdline", "selftest/janitor") && has(d, "environ", &ours));
    found.filter_map(|d| d.file_name()?.to_str()?.parse().ok()).collect()
}

#[track_caller]
fn nothing_left(env: &TestEnv) {
    let gone = eventually(Duration::from_secs(10), || pins(env).is_empty() && janitors(env).is_empty());
    assert!(gone, "left: {:?} {:?}", pins(env), janitors(env));
}

/// A trial that failed although the kernel promises it.
#[track_caller]
fn passed(out: &Out) {
    assert_eq!(out.exit(), 0, "{out}");
}

#[test]
fn quick() {
    let Some(env) = TestEnv::new("quick") else { return };
    env.killer(["run", "--name", "admins", "--detach", "--", "/bin/sleep", "60"]).ok();
    // To load its tracker alone can take an emulated processor longer than the quick run has.
    let guest = std::env::var_os("KILLER_GUEST").is_some();
    let size: &[&str] = if guest { &["--rounds", "1"] } else { &["--quick"] };
    let out = env.killer([&["selftest", "-o", "json"], size].concat());
    passed(&out);
    let m = out.json();
    assert_eq!(m["kind"], "selftest");
    assert_eq!(m["version"], 1);
    assert_eq!(m["clean"], true);
    assert_eq!(m["failed"], 0);
    let trials = m["trials"].as_array().expect("trials");
    assert_eq!(trials.len(), m["planned"].as_u64().expect("a number") as usize);
    let result = |name: &str| trials.iter().find(|t| t["name"] == name).expect(name)["result"].clone();
    for name in ["judge", "plain", "daemon"] {
        assert_eq!(result(name), "pass", "{name}: {out}");
    }
    for t in trials.iter().filter(|t| t["result"] != "pass") {
        assert!(t["why"].as_str().is_some_and(|w| !w.is_empty()), "{t}");
    }
    nothing_left(&env);
    // The admin's own tracker has not been touched.
    env.killer(["status", "admins"]).ok();
    env.killer(["-KILL", "admins"]).ok();
}

/// The grammar of Documentation/dev-tools/ktap.rst: version, plan, and as many result lines, numbered from 1.
#[test]
fn ktap() {
    let Some(env) = TestEnv::new("ktap") else { return };
    let out = env.killer([
        "selftest",
        "--quick",
        "--only",
        "judge",
        "--only",
        "plain",
        "--only",
        "clone_parent",
        "-o",
        "ktap",
    ]);
    passed(&out);
    let mut lines = out.stdout.lines();
    assert_eq!(lines.next(), Some("KTAP version 1"));
    assert_eq!(lines.next(), Some("1..3"));
    let mut results = Vec::new();
    for line in lines.filter(|l| !l.starts_with("# ")) {
        let rest = line.strip_prefix("ok ").or_else(|| line.strip_prefix("not ok ")).expect(line);
        let (number, name) = rest.split_once(' ').expect(line);
        results.push((number.parse::<u32>().expect(line), name.split(" # ").next().expect(line).to_owned()));
    }
    assert_eq!(results, [(1, "judge".into()), (2, "plain".into()), (3, "clone_parent".into())]);
    let totals = "# Totals: pass:3 fail:0 xfail:0 xpass:0 skip:0 error:0";
    assert_eq!(out.stdout.lines().last(), Some(totals), "{out}");
    nothing_left(&env);
}

#[test]
fn short() {
    let Some(env) = TestEnv::new("short") else { return };
    let out = env.killer(["selftest", "--only", "plain", "--rounds", "3"]);
    passed(&out);
    assert!(out.stdout.contains("pass  plain ") && out.stdout.contains("6 processes in 3 rounds"), "{out}");
    assert!(out.stdout.lines().last().is_some_and(|l| l.starts_with("proven on this kernel (")), "{out}");
    env.killer(["-q", "selftest", "--only", "plain"]).ok().silent();
    nothing_left(&env);
}

/// Until its pins are there, and the first trials are under way.
fn started(env: &TestEnv, args: &[&str]) -> (killer_tests::Running, PathBuf) {
    let mut command: Command = env.command();
    command.arg("selftest").args(args);
    let running = env.spawn(command);
    let version = || pins(env).first().map(|p| p.join("v1")).filter(|p| p.is_dir());
    assert!(eventually(Duration::from_secs(20), || version().is_some()), "no pins: {}", running.so_far());
    (running, pins(env).remove(0))
}

#[test]
fn interrupted() {
    let Some(env) = TestEnv::new("interrupted") else { return };
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (running, _) = started(&env, &["--only", "plain", "--rounds", "10000"]);
        running.pidfd().signal(signal);
        let out = running.finish(Duration::from_secs(20));
        assert_eq!(out.exit(), code, "{out}");
        assert!(out.stdout.contains("interrupted by SIG"), "{out}");
        nothing_left(&env);
    }
}

/// The janitor cleans when the tester cannot.
#[test]
fn killed() {
    let Some(env) = TestEnv::new("killed") else { return };
    for wait in [0, 30, 120] {
        let (running, _) = started(&env, &["--only", "bomb", "--only", "chains", "--rounds", "10000"]);
        std::thread::sleep(Duration::from_millis(wait));
        running.pidfd().signal(Signal::KILL);
        running.finish(Duration::from_secs(10));
        nothing_left(&env);
    }
}

/// Both killed: the next one cleans.
#[test]
fn killed_with_its_janitor() {
    let Some(env) = TestEnv::new("killed_with_its_janitor") else { return };
    let (running, root) = started(&env, &["--only", "plain", "--rounds", "10000"]);
    let found = janitors(&env);
    assert_eq!(found.len(), 1);
    let janitor = killer_tests::Pidfd::open(found[0]).expect("its pidfd");
    janitor.signal(Signal::KILL);
    assert!(janitor.ends_within(Duration::from_secs(5)));
    running.pidfd().signal(Signal::KILL);
    running.finish(Duration::from_secs(10));
    assert_eq!(pins(&env), [root]);
    passed(&env.killer(["selftest", "--only", "plain"]));
    nothing_left(&env);
}

/// A tracker that lost its hooks is noticed.
#[test]
fn failure_is_said() {
    let Some(env) = TestEnv::new("failure_is_said") else { return };
    let (running, root) = started(&env, &["-o", "json", "--only", "plain", "--rounds", "10000"]);
    let links = root.join("v1/links");
    for link in std::fs::read_dir(&links).expect("links").flatten() {
        std::fs::remove_file(link.path()).expect("unpin");
    }
    let out = running.finish(Duration::from_secs(30));
    assert_eq!(out.exit(), 1, "{out}");
    let m = out.json();
    assert_eq!(m["failed"], 1, "{out}");
    assert!(m["verdict"].as_str().is_some_and(|v| v.starts_with("NOT safe on this kernel")), "{out}");
    nothing_left(&env);
}

#[test]
fn usage() {
    let Some(env) = TestEnv::new("usage") else { return };
    for args in [
        &["selftest", "-o", "dot"][..],
        &["list", "-o", "ktap"],
        &["-o", "ktap", "x"],
        &["selftest", "x"],
        &["selftest", "--rounds", "0"],
    ] {
        env.killer(args.iter().copied()).code(2);
    }
}

/// Root's own limits are low, as on a small machine: every trial is tried.
#[test]
fn low_limits() {
    use std::os::unix::process::CommandExt;
    let Some(env) = TestEnv::new("low_limits") else { return };
    let confined = ["masked", "failing_forks", "thread_storm", "chains", "bomb", "term_once", "queued_once"];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let caps = status.lines().find_map(|l| l.strip_prefix("CapEff:\t"));
    let resource = caps.and_then(|c| u64::from_str_radix(c, 16).ok()).is_some_and(|c| c & (1 << 24) != 0);
    for may_raise in [true, false] {
        // Where this root may not raise limits either, both are the same.
        let may_raise = may_raise && resource;
        let mut command = env.command();
        command.args(["selftest", "-o", "json", "--rounds", "1"]);
        confined.iter().for_each(|t| {
            command.args(["--only", t]);
        });
        // SAFETY: prctl and setrlimit with plain numbers, between fork and exec.
        unsafe {
            command.pre_exec(move || {
                let limit = libc::rlimit { rlim_cur: 40, rlim_max: 40 };
                let done = libc::setrlimit(libc::RLIMIT_NPROC, &limit) == 0
                    && (may_raise || libc::prctl(libc::PR_CAPBSET_DROP, 24, 0, 0, 0) == 0);
                if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
        let out = env.finish(command);
        passed(&out);
        for t in out.json()["trials"].as_array().expect("trials") {
            let why = t["why"].as_str().unwrap_or_default();
            assert!(t["result"] == "pass" || why.contains("exactly once needs"), "not tried: {t}");
            // Told where a swarm is smaller than it would be.
            let swarm = ["thread_storm", "chains", "bomb", "term_once", "queued_once"]
                .contains(&t["name"].as_str().expect("a name"));
            let smaller = t["smaller"].as_str().unwrap_or_default();
            assert_eq!(smaller.contains("RLIMIT_NPROC is 40"), swarm && !may_raise, "{t}");
        }
    }
    nothing_left(&env);
}

/// The program is the only file there is, and nothing is mounted: as `rdinit=/killer`. Copies the program's libraries, where it has some.
fn alone(env: &TestEnv, in_pid_namespace: bool, before: &str) -> Option<Out> {
    let root = env.path(if in_pid_namespace { "root-ns" } else { "root" });
    std::fs::create_dir(&root).expect("a root directory");
    std::fs::copy(killer_tests::killer(), root.join("killer")).expect("a copy of killer");
    let libraries = Command::new("ldd").arg(killer_tests::killer()).output();
    let text = libraries.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    for path in text.split_whitespace().filter(|w| w.starts_with('/')) {
        let to = root.join(&path[1..]);
        std::fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
        std::fs::copy(path, to).expect("a library");
    }
    let script = format!(
        "{before}; exec chroot \"$1\" /killer selftest --quick -o json --only plain --only daemon --only chains"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    if in_pid_namespace {
        command.args(["--pid", "--fork"]);
    }
    command
        .args(["sh", "-c", &script, "sh"])
        .arg(&root)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let out = env.finish(command);
    if out.stderr.contains("unshare") || out.exit() == 99 {
        killer_tests::skip(&env.test, out.stderr.trim());
        return None;
    }
    for dir in ["proc", "sys"] {
        let there = std::fs::read_dir(root.join(dir)).into_iter().flatten().count();
        assert_eq!(there, 0, "/{dir} is mounted for others, too");
    }
    Some(out)
}

const A_MOUNT: &str = "mount --bind \"$1\" \"$1\" || exit 99";

#[test]
fn nothing_is_mounted() {
    let Some(env) = TestEnv::new("nothing_is_mounted") else { return };
    for in_pid_namespace in [false, true] {
        let Some(out) = alone(&env, in_pid_namespace, A_MOUNT) else { return };
        passed(&out);
        assert_eq!(out.json()["passed"], 3, "{out}");
    }
}

/// Where it cannot mount, it says what is missing, and what to do.
#[test]
fn nothing_can_be_mounted() {
    let Some(env) = TestEnv::new("nothing_can_be_mounted") else { return };
    let Some(out) = alone(&env, false, "true") else { return };
    out.error(1, &["nothing is mounted at /proc", "mount -t proc proc /proc"]);
}
