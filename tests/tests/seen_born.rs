//! "Adopted" is said of who was there before: who is forked below an adopted process is seen being born.

use killer_tests::{Launch, TestEnv, eventually};
use serde_json::Value;
use std::time::Duration;

/// Two children: one from before, the other when `$2` is there; its number goes to `$3`.
const SCRIPT: &str = "sleep 60 & echo ready child=$! > $1
while [ ! -e $2 ]; do sleep 0.1; done
(sleep 60 & wait) & echo $! > $3.new; mv $3.new $3; wait";

/// Everybody of the forest: number, whether adopted.
fn everybody(nodes: &Value, to: &mut Vec<(i64, bool)>) {
    for n in nodes.as_array().expect("nodes") {
        to.push((n["pid"].as_i64().expect("pid"), n["adopted"].as_bool().expect("adopted")));
        everybody(&n["children"], to);
    }
}

fn members(env: &TestEnv) -> Vec<(i64, bool)> {
    let status = env.killer(["status", "-o", "json", "svc"]);
    let mut all = Vec::new();
    everybody(&status.ok().json()["tree"], &mut all);
    all
}

#[track_caller]
fn check(env: TestEnv) {
    let (go, born) = (env.path("go"), env.path("born"));
    let launch = Launch::shell(SCRIPT).arg(go.to_string_lossy()).arg(born.to_string_lossy());
    let Some(whole) = launch.direct(&env.test) else { return };
    let old = whole.facts[0].rsplit('=').next().and_then(|n| n.trim().parse::<i64>().ok()).expect("child");
    env.killer(["adopt", "svc", "--pid", &whole.pid().to_string()]).ok();
    std::fs::write(&go, "").expect("go");
    assert!(eventually(Duration::from_secs(20), || born.exists()), "no child after the adoption");
    let new = std::fs::read_to_string(&born).expect("born").trim().parse::<i64>().expect("a number");
    let grandchild = || members(&env).len() >= 4;
    assert!(eventually(Duration::from_secs(20), grandchild), "{:?}", members(&env));
    let all = members(&env);
    for (pid, adopted) in &all {
        let before = *pid == i64::from(whole.pid()) || *pid == old;
        assert_eq!(
            *adopted,
            before,
            "{pid} of {all:?}; from before: {} and {old}, after: {new}",
            whole.pid()
        );
    }
    let tree = env.killer(["tree", "svc"]).ok().stdout.clone();
    for line in tree.lines().filter(|l| l.contains(&format!("─{new} "))) {
        assert!(!line.contains("adopted"), "{tree}");
    }
    assert_eq!(tree.matches("adopted").count(), 2, "{tree}");
    // The set is no more exact for that.
    env.killer(["--require-exact", "-KILL", "svc"]).error(5, &["exact"]);
    env.killer(["-KILL", "svc"]).ok();
    assert!(whole.live.eof_within(Duration::from_secs(10)), "survivors");
}

#[test]
fn by_programs() {
    let Some(env) = TestEnv::reusing("by_programs") else { return };
    check(env);
}

#[test]
fn named() {
    let Some(env) = TestEnv::without_programs("named", "named", None) else { return };
    check(env);
}

#[test]
fn scan() {
    let Some(env) = TestEnv::without_programs("scan", "scan", None) else { return };
    check(env);
}
