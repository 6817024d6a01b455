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

/// Processes that a text shows, one a line, and those that it counts.
fn shown_and_counted(text: &str) -> (usize, usize) {
    let number = |l: &str| l.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok());
    let more = text.lines().find(|l| l.trim().starts_with("and ") && l.ends_with("--all shows each"));
    (
        text.lines().filter(|l| l.contains("─") || l.contains("|-") || l.contains("`-")).count(),
        more.and_then(number).unwrap_or(0),
    )
}

#[test]
fn a_hundred_are_shown_and_the_rest_is_counted() {
    let Some(env) = TestEnv::reusing("a_hundred_are_shown_and_the_rest_is_counted") else { return };
    let Some(service) = Launch::new("star").arg("300").lease(240).service(&env, "svc") else { return };
    let document = env.killer(["status", "-o", "json", "svc"]).ok().json();
    let mut all = Vec::new();
    alive(&document["tree"], &mut all);
    assert!(all.len() > 300 && document["more"].is_null(), "{}", all.len());
    for verb in ["status", "tree"] {
        let out = env.killer([verb, "svc"]);
        assert_eq!(shown_and_counted(&out.ok().stdout), (100, all.len() - 100), "{out}");
        let main = document["main_pid"].to_string();
        assert!(out.stdout.lines().any(|l| l.contains(&main) && l.contains("more below]")), "{out}");
        let out = env.killer([verb, "--all", "svc"]);
        assert_eq!(shown_and_counted(&out.ok().stdout), (all.len(), 0), "{out}");
    }
    let dot = env.killer(["tree", "-o", "dot", "svc"]);
    assert_eq!(dot.ok().stdout.matches("[label=").count(), all.len(), "{dot}");
    // Names and numbers of a member that nobody knows of are in `verify`, which is as long with a crowd as without.
    let verify = env.killer(["verify", "svc"]);
    assert!(verify.stdout.lines().count() < 40, "{verify}");
    assert_eq!(
        env.killer(["verify", "-o", "json", "svc"]).json()["members"].as_array().map(Vec::len),
        Some(all.len())
    );
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}
