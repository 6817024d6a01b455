//! What is told of the last kill: who holds a survivor, by number and name, and which signal it was.

use killer_tests::{Launch, TestEnv, eventually, everywhere, names_pid, proc_state};
use serde_json::Value;
use std::time::Duration;

/// A tracer of another's has a name, and any bytes can be in it.
#[test]
fn a_tracer_has_a_name() {
    everywhere("a_tracer_has_a_name", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let victim = service.fact("child");
        let tracer = Launch::new("tracer").arg(victim.to_string()).arg("odd").lease(30).direct(&env.test);
        let Some(tracer) = tracer else { return };
        let out = env.killer(["-KILL", "--wait=1s", "svc"]);
        assert!(names_pid(&out.code(124).stderr, victim), "{out}");
        let words = format!("held by tracer {} (tra\\xff\\x1b(cer):", tracer.pid());
        assert!(out.stderr.contains(&words), "{words}: {out}");
        let json = env.killer(["-KILL", "--wait=1s", "-o", "json", "svc"]).code(124).json();
        let text = json["survivors"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains(&format!("{} (tra\\xff\u{1b}(cer)", tracer.pid())), "{json}");
        drop(tracer);
        env.killer(["-KILL", "--wait=5s", "svc"]).ok();
        service.assert_dead();
    });
}

fn last(env: &TestEnv) -> Value {
    env.killer(["status", "-o", "json", "svc"]).json()["last_kill"]["signal"].clone()
}

/// Nobody has asked for its signals: what they did is shown as the state.
#[test]
fn a_freeze_is_none() {
    everywhere("a_freeze_is_none", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let pid = service.fact("pid");
        for before in [Value::Null, "SIGWINCH".into()] {
            if before != Value::Null {
                env.killer(["-s", "WINCH", "svc"]).ok();
            }
            let out = env.killer(["freeze", "svc"]);
            if out.exit() == 1 && out.stderr.contains("cannot freeze") {
                killer_tests::skip(&env.test, "this tier cannot freeze");
                break;
            }
            assert!(eventually(Duration::from_secs(1), || proc_state(pid) == Some('T')));
            assert_eq!(last(env), before, "freeze");
            env.killer(["thaw", "svc"]).ok();
            assert_eq!(last(env), before, "thaw");
        }
        env.killer(["-s", "STOP", "svc"]).ok();
        assert_eq!(last(env), "SIGSTOP");
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    });
}
