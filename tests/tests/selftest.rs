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
