//! A supervisor that was killed, and its launcher: where the kernel counts and has no dead man's switch (`promise.rs`), the set is as
//! complete as before, and the loss is a note.

use killer_tests::{Launch, Pidfd, TestEnv, skip};
use rustix::process::Signal;
use std::time::Duration;

fn is_a_note(env: &TestEnv) {
    let launch = Launch::new("plain").run_option("--kill-on-exit");
    let Some(service) = launch.service(env, "svc") else { return };
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    let supervisor = status["supervisor"].as_i64().expect("a supervisor");
    let supervisor = Pidfd::open(supervisor as i32).expect("it lives");
    // Who watches over it would end the set. The supervisor is stopped, so that it does not see it go, and starts no other.
    let path = format!("/proc/{0}/task/{0}/children", supervisor.pid);
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let named = |p: &i32| {
        std::fs::read_to_string(format!("/proc/{p}/comm")).is_ok_and(|c| c.trim() == "killer-watch")
    };
    let watch = children.split_whitespace().filter_map(|w| w.parse().ok()).find(named);
    let Some(watch) = watch.and_then(Pidfd::open) else {
        return skip(&env.test, "the kernel does not tell of children");
    };
    supervisor.signal(Signal::STOP);
    for one in [&watch, &supervisor] {
        one.signal(Signal::KILL);
        assert!(one.ends_within(Duration::from_secs(5)));
    }
    service.assert_alive();
    env.killer(["status", "--require-exact", "svc"]).ok();
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    assert_eq!(status["exactness"]["exact"], true, "{status}");
    assert_eq!(status["exactness"]["reasons"], serde_json::json!([]), "{status}");
    assert!(status["notes"].to_string().contains("supervisor-gone"), "{status}");
    let text = env.killer(["status", "svc"]).ok().stdout.clone();
    assert!(text.contains("Note: supervisor-gone") && text.contains("nobody ends"), "{text}");
    env.killer(["-s", "KILL", "--require-exact", "--wait", "svc"]).ok().silent();
    service.assert_dead();
    let status = env.killer(["status", "-o", "json", "svc"]).json();
    assert!(!status["notes"].to_string().contains("supervisor-gone"), "of who has ended: {status}");
}

#[test]
fn is_a_note_programs() {
    let Some(mut env) = TestEnv::reusing("is_a_note_programs") else { return };
    env.vars.push(("KILLER_LACK", "promise"));
    is_a_note(&env);
}

#[test]
fn is_a_note_named() {
    let Some(env) = TestEnv::without_programs("is_a_note_named", "named", None) else { return };
    is_a_note(&env);
}
