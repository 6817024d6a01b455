//! What is told of the last kill: who holds a survivor, by number and name, and which signal it was.

use killer_tests::{Launch, TestEnv, eventually, everywhere, names_pid, proc_state};
use serde_json::Value;
use std::collections::BTreeMap;
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
            // The freezer of cgroup v1 shows as a wait (`fs/proc/array.c:get_task_state`).
            let still = || matches!(proc_state(pid), Some('T' | 'D'));
            assert!(eventually(Duration::from_secs(1), still), "{:?}", proc_state(pid));
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

/// pid → whether it lives, its mark as main process, and whose child it is shown as.
fn shown(nodes: &Value, up: i64, found: &mut BTreeMap<i64, (bool, bool, i64)>) {
    for n in nodes.as_array().expect("nodes") {
        let pid = n["pid"].as_i64().expect("pid");
        found.insert(pid, (n["alive"] == true, n["main"] == true, up));
        shown(&n["children"], pid, found);
    }
}

fn who(env: &TestEnv) -> BTreeMap<i64, (bool, bool, i64)> {
    let mut found = BTreeMap::new();
    shown(&env.killer(["tree", "--last", "-o", "json", "svc"]).ok().json()["tree"], 0, &mut found);
    found
}

/// Who it was, as a tree, when nobody is there any more.
#[test]
fn who_it_was() {
    everywhere("who_it_was", |env| {
        let script = "sh -c 'sleep 50 & echo b=$! >\"$1.f\"; wait' sh \"$2\" & a=$!; \
                      while [ ! -s \"$2.f\" ]; do sleep 0.02; done; echo ready pid=$$ a=$a $(cat \"$2.f\") >\"$1\"; wait";
        let start = || {
            let _ = std::fs::remove_file(env.path("x.f"));
            Launch::shell(script).arg(env.path("x").to_string_lossy()).service(env, "svc")
        };
        let Some(service) = start() else { return };
        let out = env.killer(["tree", "--last", "svc"]);
        assert!(out.ok().stdout.contains("no signal has been sent to it"), "{out}");
        let [pid, a, b] = ["pid", "a", "b"].map(|k| i64::from(service.fact(k)));
        let all = |alive| {
            BTreeMap::from([(pid, (alive, true, 0)), (a, (alive, false, pid)), (b, (alive, false, a))])
        };
        env.killer(["-s", "WINCH", "svc"]).ok();
        assert_eq!(who(env), all(true));
        env.killer(["stop", "--timeout=20s", "svc"]).ok();
        service.assert_dead();
        assert_eq!(who(env), all(false));
        let out = env.killer(["tree", "--last", "svc"]);
        let text = &out.ok().stdout;
        assert_eq!((text.matches("[ended]").count(), text.contains(": SIGTERM by uid ")), (3, true), "{out}");
        assert!(text.contains("/bin/sh -c sh -c"), "the main process by what was started: {out}");
        let status = env.killer(["status", "svc"]).stdout;
        assert!(status.contains("it reached 3 processes: 'killer tree --last svc'"), "{status}");
        // One that reaches nobody changes nothing, and a new one of the name is another.
        env.killer(["-s", "KILL", "svc"]).ok();
        assert_eq!(who(env), all(false));
        let Some(service) = start() else { return };
        let out = env.killer(["tree", "--last", "svc"]);
        assert!(out.ok().stdout.contains("started again since") && out.stdout.contains("[ended]"), "{out}");
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert!(json["last_kill"].is_null(), "{json}");
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
        let Some(service) = start() else { return };
        let out = env.killer(["tree", "--last", "svc"]);
        assert!(out.ok().stdout.contains("no signal has been sent to it"), "forgotten: {out}");
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    });
}

/// Where nothing can be kept, that is said.
#[test]
fn who_is_not_remembered() {
    let Some(env) = TestEnv::new("who_is_not_remembered").map(TestEnv::alone) else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let run = env.path("run");
    let _ = std::fs::remove_dir_all(&run);
    std::fs::write(&run, "in the way").expect("a file");
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    let out = env.killer(["tree", "--last", "svc"]);
    assert!(out.ok().stdout.contains("are not remembered"), "{out}");
    let json = env.killer(["tree", "--last", "-o", "json", "svc"]).ok().json();
    assert!(json["note"].as_str().is_some_and(|n| n.contains("not remembered")), "{json}");
    std::fs::remove_file(&run).expect("the file");
}
