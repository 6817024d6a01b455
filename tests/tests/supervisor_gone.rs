//! A supervisor that was killed: where the kernel counts, the set is as complete as before, and the loss is a note.

use killer_tests::{Launch, Pidfd, TestEnv, skip};
use rustix::process::Signal;
use std::time::Duration;

fn is_a_note(env: &TestEnv) {
    let launch = Launch::new("plain").run_option("--kill-on-exit");
    let Some(service) = launch.service(env, "svc") else { return };
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    let supervisor = status["supervisor"].as_i64().expect("a supervisor");
    let supervisor = Pidfd::open(supervisor as i32).expect("it lives");
    supervisor.signal(Signal::KILL);
    assert!(supervisor.ends_within(Duration::from_secs(5)));
    if service.live.eof_within(Duration::from_millis(300)) {
        return skip(&env.test, "the service ends with its supervisor");
    }
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
    let Some(env) = TestEnv::new("is_a_note_programs") else { return };
    is_a_note(&env);
}

#[test]
fn is_a_note_named() {
    let Some(env) = TestEnv::without_programs("is_a_note_named", "named", None) else { return };
    is_a_note(&env);
}
