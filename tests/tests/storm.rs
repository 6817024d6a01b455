//! Members that do nothing but exec are shown, watched, held, captured and ended as any others.

use killer_tests::{Launch, TestEnv, everywhere, pids};
use std::time::Duration;

#[test]
fn exec_after_exec() {
    everywhere("exec_after_exec", |env| {
        let Some(service) = Launch::new("exec-storm").service(env, "svc") else { return };
        for args in [&["status", "svc"][..], &["list"], &["-n", "-s", "KILL", "svc"]] {
            env.killer(args).ok();
        }
        let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
        assert_eq!(pids(&tree).len(), 5, "{tree}");
        env.killer(["-s", "KILL", "svc"]).ok();
        service.assert_dead();
    });
}

/// Held still in the middle of it; as many execs before and after a while.
#[test]
fn held_in_the_middle() {
    let Some(env) = TestEnv::reusing("held_in_the_middle") else { return };
    let Some(service) = Launch::new("exec-storm").service(&env, "svc") else { return };
    let child = service.fact("child").to_string();
    let execs = || {
        let why = env.killer(["why", "-o", "json", &child]).ok().json();
        let line = why["chain"].as_array().expect("a line").clone();
        line.last().and_then(|l| l["execs"].as_u64()).expect("a number")
    };
    let began = execs();
    std::thread::sleep(Duration::from_millis(300));
    env.killer(["freeze", "svc"]).ok();
    let held = execs();
    assert!(held > began, "{began}, {held}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(execs(), held, "it goes on");
    let file = env.path("svc.tar").to_string_lossy().into_owned();
    env.killer(["capture", "svc", "--out", &file, "--memory=private"]).ok();
    env.killer(["verify-capture", &file]).ok();
    env.killer(["thaw", "svc"]).ok();
    std::thread::sleep(Duration::from_millis(300));
    assert!(execs() > held, "it does not go on");
    env.killer(["--require-exact", "-s", "KILL", "svc"]).ok();
    service.assert_dead();
}

/// Each exec is told, or counted among those that were lost.
#[test]
fn watched() {
    let Some(env) = TestEnv::reusing("watched_in_a_storm") else { return };
    let Some(service) = Launch::new("exec-storm").service(&env, "svc") else { return };
    let out = env.killer(["watch", "-o", "json", "--kinds=exec", "--for=2s", "svc"]);
    if out.exit() != 0 && out.stderr.contains("tier") {
        return killer_tests::skip(&env.test, out.stderr.trim());
    }
    let execs = out.ok().stdout.matches("\"event\":\"exec\"").count();
    assert!(execs > 100, "{execs}: {}", out.stderr);
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}
