//! Where the record of a process stands: with its leader, apart when that ends before its other threads, with the thread that executes a
//! program. Whichever it is, the process is listed, known by its creator and name, and nothing of it is left when it has ended.

use killer_tests::{Launch, Objects, TestEnv, eventually, skip};
use std::time::Duration;

/// Each tier of programs that this kernel has.
fn everywhere(test: &str, body: impl Fn(&TestEnv, &str)) {
    for tier in ["witnessed", "typed", "raw", "legacy"] {
        let Some(env) = TestEnv::new(&format!("{test}_{tier}")) else { return };
        let mut env = env.alone();
        env.vars.push(("KILLER_TIER", tier));
        if env.killer(["up"]).exit() != 0 {
            skip(&env.test, "this kernel does not have the tier");
            continue;
        }
        body(&env, tier);
    }
}

#[track_caller]
fn nothing_left(env: &TestEnv, tier: &str) {
    let objects = Objects::new(&env.pin_root);
    let none = || objects.residue().is_empty();
    assert!(eventually(Duration::from_secs(10), none), "{tier}: {:?}", objects.residue());
}

/// All births and ends are seen, whoever is the last of its process.
#[test]
fn a_storm_of_them() {
    everywhere("a_storm_of_them", |env, tier| {
        let Some(service) = Launch::new("leaderless").arg("600").lease(60).service(env, "svc") else {
            return;
        };
        let status = || env.killer(["status", "-o", "json", "svc"]).ok().json();
        let now = status();
        // What the kernel may skip in the tier `legacy` is said whatever happens.
        let reasons = now["exactness"]["reasons"].as_array().expect("reasons");
        assert!(reasons.iter().all(|r| r["code"] == "classic-hooks"), "{tier}: {now}");
        assert_eq!(now["counts"]["processes"], 1, "{tier}: {now}");
        assert_eq!(now["ever"], service.fact("processes"), "{tier}: {now}");
        let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
        assert_eq!(tree["tree"][0]["pid"], now["main_pid"], "{tier}: {tree}");
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        nothing_left(env, tier);
    });
}

/// A process whose leader has ended is who it was, and its children are below it.
#[test]
fn who_it_was_stays_known() {
    everywhere("who_it_was_stays_known", |env, tier| {
        let Some(service) = Launch::new("leader-exits").service(env, "svc") else { return };
        let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
        let top = &tree["tree"][0];
        assert_eq!(top["pid"], service.fact("leader"), "{tier}: {tree}");
        let below = top["children"].as_array().expect("children");
        let child = below.iter().find(|n| n["alive"] == true).expect("a living child");
        assert_eq!(child["pid"], service.fact("child"), "{tier}: {tree}");
        // Another thread forks and ends all the time: nobody is taken for dead, and no ancestor is made up.
        assert!(top["unknown_ancestors"].is_null() && child["unknown_ancestors"].is_null(), "{tier}: {tree}");
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        nothing_left(env, tier);
    });
}

/// A thread that is not the leader executes a program: the process is the same, with one more exec.
#[test]
fn an_exec_takes_it_over() {
    everywhere("an_exec_takes_it_over", |env, tier| {
        let Some(service) = Launch::new("exec-nonleader").service(env, "svc") else { return };
        let objects = Objects::new(&env.pin_root);
        let pid = service.fact("pid") as u32;
        let member = objects.member(pid).expect("its record");
        assert!(member.execs >= 1 && member.creator_tgid != 0, "{tier}: {member:?}");
        let tree = env.killer(["tree", "-o", "json", "svc"]).ok().json();
        assert_eq!(tree["tree"][0]["pid"], pid, "{tier}: {tree}");
        assert_eq!(tree["tree"][0]["children"][0]["pid"], service.fact("child"), "{tier}: {tree}");
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        nothing_left(env, tier);
    });
}
