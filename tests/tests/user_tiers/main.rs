//! The tiers without programs, forced: every adversary that they claim, and what they say of themselves.
//!
//! `named` runs as root, `scan` as an unprivileged user: a user of each test's own, since the kernel counts processes
//! by user (RLIMIT_NPROC).

mod adopter;
mod adversaries;
mod blind;
mod boots;
mod cross_check;
mod freezing;
mod hierarchy;
mod pidfds;

use killer_tests::{Bystander, Launch, Pidfd, TestEnv};
use std::sync::atomic::{AtomicU32, Ordering};

static USERS: AtomicU32 = AtomicU32::new(61_000);

fn named(test: &str) -> Option<TestEnv> {
    TestEnv::named(test)
}

fn scan(test: &str) -> Option<TestEnv> {
    let user = USERS.fetch_add(1, Ordering::Relaxed) + std::process::id() % 1000;
    TestEnv::without_programs(test, "scan", Some(user))
}

/// As root: for what needs it, such as a shell that writes to a pipe of root's.
fn scan_as_root(test: &str) -> Option<TestEnv> {
    TestEnv::without_programs(test, "scan", None)
}

/// Adversaries that change their identity or make namespaces need root to begin with.
fn scan_for(test: &str, behaviour: &str) -> Option<TestEnv> {
    match behaviour {
        "setuid-child" | "pid-ns" | "rlimit-nproc" | "bomb" => scan_as_root(test),
        _ => scan(test),
    }
}

/// What a tier says of itself, and the verbs.
fn verbs(env: &TestEnv, tier: &str, exact: bool) {
    let Some(service) = Launch::new("daemon").service(env, "svc") else { return };
    let status = env.killer(["status", "svc"]).ok().stdout.clone();
    assert!(status.contains(&format!("tier {tier}")), "{status}");
    let code = if exact { 0 } else { 5 };
    env.killer(["--require-exact", "-s", "0", "svc"]).code(code);
    assert_eq!(env.killer(["list"]).ok().stdout.contains("best-effort"), !exact);
    let doctor = env.killer(["doctor"]).stdout;
    assert!(doctor.contains(&format!("tier: {tier}")) && doctor.contains("not promised: "), "{doctor}");
    let json = env.killer(["-n", "-s", "KILL", "-o", "json", "svc"]).ok().stdout.clone();
    assert!(json.contains(&format!("\"tier\":\"{tier}\"")), "{json}");
    assert_eq!(json.contains("\"exact\":true"), exact, "{json}");
    env.killer(["tree", "svc"]).ok();
    env.killer(["verify", "svc"]).ok();
    env.killer(["rename", "svc", "other"]).ok();
    env.killer(["run", "--name", "other", "--", "true"]).error(125, &["alive"]);
    env.killer(["forget", "other"]).error(1, &["live processes"]);
    env.killer(["down"]).error(1, &["other"]);
    env.killer(["exec", "--name", "other", "--", "sh", "-c", "exit 7"]).code(7);
    env.killer(["-s", "KILL", "--wait", "other"]).ok().silent();
    service.assert_dead();
    env.killer(["exec", "--name", "other", "--", "true"]).error(125, &["has ended"]);
    // The caller's world, the codes.
    env.killer(["run", "--name", "x", "--", "sh", "-c", "exit 3"]).code(3);
    env.killer(["run", "--name", "x", "--", "sh", "-c", "kill -9 $$"]).code(137);
    env.killer(["run", "--name", "y", "--", "/no/such/program"]).error(127, &["/no/such/program"]);
    env.killer(["status", "y"]).code(4);
    env.killer(["down"]).ok();
    env.killer(["list"]).ok();
}

#[test]
fn verbs_with_named() {
    let Some(env) = named("verbs_with_named") else { return };
    verbs(&env, "named", true);
}

#[test]
fn verbs_with_scan() {
    let Some(env) = scan("verbs_with_scan") else { return };
    verbs(&env, "scan", false);
}

/// Everybody gets TERM once, and who handles it goes on.
fn broadcast(env: &TestEnv) {
    let dir = env.path("run").join("marks");
    std::fs::create_dir(&dir).expect("directory for marks");
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("chmod");
    let inner = "trap 'echo x >> '$0'/got.'$$ TERM; touch $0/up.$$; while :; do sleep 0.05; done";
    let outer = format!("for i in 1 2 3; do sh -c \"$3\" $2 & done; {}", "sh -c \"$3\" $2");
    let launch = Launch::shell(&format!("echo ready > $1; {outer}")).arg(dir.to_string_lossy()).arg(inner);
    let Some(service) = launch.service(env, "svc") else { return };
    let count = |word: &str| {
        let names = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        names.filter(|e| e.file_name().to_string_lossy().starts_with(word)).count()
    };
    let all = || count("up.") == 4;
    assert!(
        killer_tests::eventually(std::time::Duration::from_secs(10), all),
        "{} of 4 are up",
        count("up.")
    );
    env.killer(["-s", "TERM", "svc"]).ok().silent();
    let got = || count("got.") == 4;
    assert!(
        killer_tests::eventually(std::time::Duration::from_secs(10), got),
        "{} of 4 got it",
        count("got.")
    );
    std::thread::sleep(std::time::Duration::from_millis(200));
    for e in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        if e.file_name().to_string_lossy().starts_with("got.") {
            assert_eq!(std::fs::read_to_string(e.path()).expect("marks"), "x\n", "got twice");
        }
    }
    service.assert_alive();
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn everybody_gets_a_signal_once_with_named() {
    let Some(env) = named("everybody_gets_a_signal_once_with_named") else { return };
    broadcast(&env);
}

#[test]
fn everybody_gets_a_signal_once_with_scan() {
    let Some(env) = scan_as_root("everybody_gets_a_signal_once_with_scan") else { return };
    broadcast(&env);
}

/// A service inside of another: killing the inner one leaves the outer one, killing the outer one ends both.
fn nested(env: &TestEnv) {
    let script = r#""$2" run --name "$3" --detach --inside --keep-fds -- sleep 40 || exit 1
        echo ready outer=$$ > $1; sleep 40 & exec sleep 40"#;
    for victim in ["inner", "outer"] {
        let inner = format!("inner-{victim}");
        let launch = Launch::shell(script).arg(killer_tests::killer().to_string_lossy()).arg(&inner);
        let outer_name = format!("outer-{victim}");
        let Some(outer) = launch.service(env, &outer_name) else { return };
        let main = outer.fact("outer");
        env.killer(["status", &inner]).ok();
        let out = env.killer(["-n", "-s", "KILL", &inner]);
        // The outer one has pipes of the inner one, and is outside of it.
        let would: String = out.ok().stdout.lines().filter(|l| l.starts_with("Would ")).collect();
        assert!(!killer_tests::names_pid(&would, main), "{out}");
        if victim == "inner" {
            env.killer(["-s", "KILL", "--wait", &inner]).ok().silent();
            outer.assert_alive();
            env.killer(["status", &outer_name]).ok();
            env.killer(["status", &inner]).code(3);
        }
        let out = env.killer(["-s", "KILL", "--wait", &outer_name]);
        let also = format!("killer: '{outer_name}' also ends: {inner}\n");
        assert_eq!(out.ok().stderr, if victim == "inner" { "" } else { also.as_str() }, "{out}");
        outer.assert_dead();
        env.killer(["status", &inner]).code(3);
        env.killer(["status", &outer_name]).code(3);
    }
}

#[test]
fn nested_services_with_named() {
    let Some(env) = named("nested_services_with_named") else { return };
    nested(&env);
}

#[test]
fn nested_services_with_scan() {
    let Some(env) = scan_as_root("nested_services_with_scan") else { return };
    nested(&env);
}

/// Whoever kills the supervisor takes the proof away, not the members that were known.
#[test]
fn a_killed_supervisor_is_a_reason() {
    let Some(env) = scan_as_root("a_killed_supervisor_is_a_reason") else { return };
    let Some(service) = Launch::new("daemon").service(&env, "svc") else { return };
    let facts = |p: i32| std::fs::read_to_string(format!("/proc/{p}/stat")).unwrap_or_default();
    let parent =
        |p: i32| facts(p).rsplit(')').next().and_then(|r| r.split_whitespace().nth(1)?.parse::<i32>().ok());
    let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
    let member = *killer_tests::pids(&json).first().expect("a member");
    let supervisor = parent(member).expect("its supervisor");
    let comm = std::fs::read_to_string(format!("/proc/{supervisor}/comm")).unwrap_or_default();
    assert!(comm.starts_with("killer"), "{supervisor} is {comm}");
    // Long enough for it to have looked.
    std::thread::sleep(std::time::Duration::from_secs(3));
    Pidfd::open(supervisor).expect("the supervisor").signal(rustix::process::Signal::KILL);
    let gone = || env.killer(["status", "svc"]).stdout.contains("supervisor ended before");
    assert!(killer_tests::eventually(std::time::Duration::from_secs(5), gone));
    service.assert_alive();
    env.killer(["-s", "KILL", "svc"]).ok().silent();
    service.assert_dead();
    env.killer(["status", "svc"]).code(3);
}

/// A running tree is taken in; what it forks from then on is in it, orphans too.
fn adopts(env: &TestEnv, test: &str, orphans: bool) {
    let bystander = Bystander::new(test);
    let script = "echo ready > $1; sleep 1; while :; do (sleep 20 & sleep 20 &); sleep 0.05; done";
    let launch = if orphans { Launch::shell(script) } else { Launch::new("plain") };
    let Some(tree) = launch.direct(test) else { return };
    env.killer(["adopt", "svc", "--pid", &tree.pid().to_string()]).ok();
    env.killer(["--require-exact", "-s", "KILL", "svc"]).error(5, &["adopted while running"]);
    if orphans {
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    env.killer(["-s", "KILL", "svc"]).ok().silent();
    assert!(tree.live.eof_within(std::time::Duration::from_secs(5)), "members live on");
    bystander.assert_untouched();
    env.killer(["status", "svc"]).code(3);
}

#[test]
fn adopts_with_named() {
    let Some(env) = named("adopts_with_named") else { return };
    adopts(&env, "adopts_with_named", false);
    let Some(env) = named("adopts_with_named") else { return };
    adopts(&env, "adopts_with_named", true);
}

#[test]
fn adopts_with_scan() {
    let Some(env) = scan_as_root("adopts_with_scan") else { return };
    adopts(&env, "adopts_with_scan", false);
    let Some(env) = scan_as_root("adopts_with_scan") else { return };
    adopts(&env, "adopts_with_scan", true);
}

/// `stop` works on any tier, the stop command too; `freeze` works, or says that it cannot (`freezing.rs` has what it does).
fn stops(env: &TestEnv, test: &str) {
    let mark = env.path("run/stopped");
    let option = format!("--exec-stop=touch {}", mark.display());
    let Some(service) = Launch::new("term-ignored").run_option(&option).service(env, "svc") else { return };
    let bystander = Bystander::new(test);
    let froze = env.killer(["freeze", "svc"]);
    if env.tier() == Some("named") && froze.exit() == 0 {
        env.killer(["thaw", "svc"]).ok();
    } else {
        froze.error(1, &["cannot freeze"]);
    }
    service.assert_alive();
    env.killer(["stop", "svc", "--timeout", "1s"]).ok();
    service.assert_dead();
    assert!(mark.exists(), "the stop command did not run");
    bystander.assert_untouched();
    env.killer(["status", "svc"]).code(3);
}

#[test]
fn stops_with_named() {
    let Some(env) = named("stops_with_named") else { return };
    stops(&env, "stops_with_named");
}

#[test]
fn stops_with_scan() {
    let Some(env) = scan("stops_with_scan") else { return };
    stops(&env, "stops_with_scan");
}
