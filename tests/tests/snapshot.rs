//! What one call shows of a service is of one moment, however fast it changes.

use killer_tests::{Launch, TestEnv};
use serde_json::Value;

/// Numbers of the nodes that are alive.
fn alive(nodes: &Value, into: &mut Vec<u64>) {
    for n in nodes.as_array().expect("nodes") {
        if n["alive"] == true {
            into.push(n["pid"].as_u64().expect("a number"));
        }
        alive(&n["children"], into);
    }
}

#[test]
fn a_status_is_one_look() {
    let Some(env) = TestEnv::reusing("a_status_is_one_look") else { return };
    let Some(service) = Launch::new("chains").arg("20").lease(240).service(&env, "svc") else { return };
    for _ in 0..6 {
        let out = env.killer(["status", "-o", "json", "svc"]);
        let status = out.ok().json();
        let mut shown = Vec::new();
        alive(&status["tree"], &mut shown);
        assert_eq!(status["counts"]["processes"].as_u64(), Some(shown.len() as u64), "{out}");
        assert_eq!(status["main_pid"], status["main"]["pid"], "{out}");
        if let Some(main) = status["main_pid"].as_u64() {
            assert!(shown.contains(&main), "{out}");
        }
    }
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}
