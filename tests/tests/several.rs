//! Verbs with several names and globs: one document for one literal name, else a list; the worst failure's code; what became of
//! each when one failed.

use killer_tests::{Launch, Out, Service, TestEnv, eventually};
use std::time::Duration;

fn worlds(test: &str) -> impl Iterator<Item = TestEnv> {
    let tiers = ["named", "scan"].map(|tier| TestEnv::without_programs(test, tier, None));
    std::iter::once(TestEnv::reusing(test)).chain(tiers).flatten()
}

fn three(env: &TestEnv) -> Option<[Service; 3]> {
    let one = |name: &str| Launch::new("plain").service(env, name);
    Some([one("web-1")?, one("web-2")?, one("db")?])
}

#[track_caller]
fn services(out: &Out) -> Vec<String> {
    let json = out.json();
    let list = json.as_array().unwrap_or_else(|| panic!("no list: {out}"));
    let name =
        |v: &serde_json::Value| v.get("service").or(v.get("name")).and_then(|n| n.as_str()).map(String::from);
    list.iter().map(|v| name(v).unwrap_or_else(|| panic!("no name: {out}"))).collect()
}

#[test]
fn every_verb_takes_several_names_and_globs() {
    for env in worlds("every_verb_takes_several_names_and_globs") {
        let Some(all) = three(&env) else { return };
        for verb in ["status", "tree", "verify"] {
            let out = env.killer([verb, "web-*", "db"]);
            let shown = |n: &str| out.stdout.contains(n);
            assert!(shown("web-1") && shown("web-2") && shown("db"), "{out}");
            out.ok();
            let out = env.killer([verb, "-o", "json", "web-*", "db", "web-1"]);
            assert_eq!(services(out.ok()), ["web-1", "web-2", "db"], "{out}");
            assert!(env.killer([verb, "-o", "json", "db"]).ok().json().is_object());
            // A glob is a list, whatever it matches.
            assert_eq!(services(env.killer([verb, "-o", "json", "d*"]).ok()), ["db"]);
            let out = env.killer([verb, "web-1", "nobody"]);
            out.error(4, &["'nobody'", "nothing was done"]);
            let out = env.killer([verb, "--keep-going", "-o", "json", "nobody", "db"]);
            assert_eq!(services(out.code(4)), ["db"], "{out}");
        }
        env.killer(["tree", "-o", "mermaid", "web-*"]).error(2, &["one picture"]);
        assert_eq!(env.killer(["tree", "-o", "dot", "web-*"]).ok().stdout.matches("digraph").count(), 2);
        if env.killer(["freeze", "web-1"]).exit() == 0 {
            env.killer(["freeze", "web-*", "nobody"]).error(4, &["'nobody'", "nothing was done"]);
            assert_eq!(services(env.killer(["freeze", "-o", "json", "web-*"]).ok()), ["web-1", "web-2"]);
            env.killer(["thaw", "web-1", "web-2"]).ok();
            assert!(!env.killer(["list"]).ok().stdout.contains("frozen"));
        }
        env.killer(["wait", "--timeout=300ms", "web-*"]).code(124);
        env.killer(["forget", "*", "nobody"]).error(4, &["'nobody'", "nothing was done"]);
        env.killer(["stop", "web-1", "nobody"]).error(4, &["'nobody'", "nothing was done"]);
        all.iter().for_each(Service::assert_alive);
        assert_eq!(
            services(env.killer(["stop", "-o", "json", "web-*", "db"]).ok()),
            ["web-1", "web-2", "db"]
        );
        all.iter().for_each(Service::assert_dead);
        env.killer(["wait", "*"]).ok().silent();
        env.killer(["status", "web-1", "db"]).code(3);
        assert_eq!(
            services(env.killer(["forget", "-o", "json", "web-*", "db"]).ok()),
            ["web-1", "web-2", "db"]
        );
        env.killer(["status", "db"]).code(4);
    }
}

#[test]
fn wait_is_for_all_of_them() {
    let Some(env) = TestEnv::reusing("wait_is_for_all_of_them") else { return };
    let Some([a, b, c]) = three(&env) else { return };
    let mut wait = env.command();
    wait.args(["wait", "*"]);
    let mut waiting = env.spawn(wait);
    for (i, s) in [&a, &b, &c].iter().enumerate() {
        let early = waiting.child.try_wait().expect("wait");
        assert!(early.is_none(), "over after {i} of 3 had ended");
        env.killer(["-KILL", &s.name]).ok();
    }
    waiting.finish(Duration::from_secs(30)).ok().silent();
}

#[test]
fn what_became_of_each_is_said() {
    for env in worlds("what_became_of_each_is_said") {
        let Some([a, b, c]) = three(&env) else { return };
        env.killer(["-KILL", "web-2"]).ok();
        b.assert_dead();
        // A dead service has no process: with --fail that is a failure, and the others have ended all the same.
        let out = env.killer(["--fail", "-KILL", "web-1", "web-2", "db"]);
        out.code(1);
        assert!(out.stderr.contains("failed: web-2") && out.stderr.contains("ended: web-1, db"), "{out}");
        a.assert_dead();
        c.assert_dead();
        let Some(d) = Launch::new("plain").service(&env, "live") else { return };
        let out = env.killer(["forget", "live", "db", "web-1"]);
        out.code(1);
        assert!(out.stderr.contains("failed: live") && out.stderr.contains("forgotten: db, web-1"), "{out}");
        d.assert_alive();
        let out = env.killer(["--keep-going", "-s", "WINCH", "nobody", "live"]);
        assert!(out.stderr.contains("unknown: nobody") && out.stderr.contains("signalled: live"), "{out}");
        // One service needs no list, and neither does success.
        let out = env.killer(["forget", "live"]);
        assert!(!out.stderr.contains("failed:"), "{out}");
        env.killer(["-KILL", "live"]).ok().silent();
        assert!(eventually(Duration::from_secs(20), || env.killer(["forget", "live"]).exit() == 0));
    }
}
