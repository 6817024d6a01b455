//! A parent of many is ended when its children are dead, and has no time to do anything with that.

use killer_tests::{Freezer, Launch, TestEnv, eventually, everywhere, names_pid, pids, proc_state, skip};
use std::time::{Duration, Instant};

const SWEEPS: [&str; 2] = ["kernel", "pidfd"];

fn kill(env: &TestEnv, sweep: &str, options: &[&str]) -> killer_tests::Out {
    let mut command = env.command();
    command.env("KILLER_SWEEP", sweep).arg("-KILL").args(options).arg("svc");
    env.finish(command)
}

/// A parent that does not look after its children is left until they are dead, its youngest child behind it. One that waits for
/// them goes first, as always.
#[test]
fn a_parent_of_many_comes_last() {
    let Some(env) = TestEnv::reusing("a_parent_of_many_comes_last") else { return };
    let waits = "n=0; while [ $n -lt 70 ]; do sleep 60 & n=$((n+1)); done; echo ready pid=$$ > $1; wait";
    for (parent, last) in [(Launch::new("star").arg("70"), true), (Launch::shell(waits), false)] {
        for sweep in SWEEPS {
            let Some(service) = parent.service(&env, "svc") else { return };
            let pid = service.fact("pid");
            assert!(eventually(Duration::from_secs(5), || proc_state(pid) == Some('S')), "it does not sleep");
            let receipt = kill(&env, sweep, &["-o", "json"]).ok().json();
            service.assert_dead();
            if !receipt["gates"].as_array().is_some_and(|g| g.iter().any(|g| g == "A" || g == "D")) {
                return skip(&env.test, "newborns are not killed at birth here");
            }
            let targets = receipt["targets"].as_array().expect("targets");
            let at = targets.iter().position(|t| t["pid"] == pid);
            assert_eq!((targets.len(), at), (71, Some(if last { 69 } else { 0 })), "{sweep}: {parent:?}");
        }
    }
}

/// A script that waits for its children, and a master that looks after them now and then: what comes behind that is not done.
#[test]
fn a_parent_does_not_go_on_when_its_children_are_dead() {
    everywhere("a_parent_does_not_go_on_when_its_children_are_dead", |env| {
        let after = env.path("after").display().to_string();
        let script =
            "n=0; while [ $n -lt 100 ]; do sleep 60 & n=$((n+1)); done; echo ready > $1; wait; : > $2";
        for parent in [Launch::shell(script), Launch::new("master")] {
            for sweep in SWEEPS {
                let Some(service) = parent.clone().arg(&after).service(env, "svc") else { return };
                kill(env, sweep, &["--wait"]).ok();
                service.assert_dead();
                assert!(!std::fs::exists(&after).expect("a look"), "{sweep}: {parent:?} went on");
            }
        }
    });
}

/// What a master forks for a worker that ended dies at birth, and the master with it.
#[test]
fn a_master_does_not_hold_out() {
    everywhere("a_master_does_not_hold_out", |env| {
        for sweep in SWEEPS {
            let Some(service) = Launch::new("master").service(env, "svc") else { return };
            let began = Instant::now();
            kill(env, sweep, &["--wait"]).ok();
            service.assert_dead();
            assert!(began.elapsed() < Duration::from_secs(60), "{sweep}: {:?}", began.elapsed());
        }
    });
}

/// A child that cannot die, here for a frozen cgroup, is no reason to leave its parent alive.
#[test]
fn a_child_that_hangs_keeps_no_parent() {
    let Some(env) = TestEnv::new("a_child_that_hangs_keeps_no_parent").map(TestEnv::alone) else { return };
    let Some(freezer) = Freezer::new(&env) else { return skip(&env.test, "no cgroup v1 freezer") };
    for sweep in SWEEPS {
        let Some(service) = Launch::new("star").arg("70").service(&env, "svc") else { return };
        let parent = service.fact("pid");
        let all = pids(&env.killer(["status", "--all", "-o", "json", "svc"]).ok().json());
        let child = *all.iter().find(|p| **p != parent).expect("a child");
        freezer.freeze(child);
        let out = kill(&env, sweep, &["--wait=1s"]);
        assert!(names_pid(&out.code(124).stderr, child), "{sweep}: {out}");
        assert!(!names_pid(&out.stderr, parent), "{sweep}: {out}");
        assert!(matches!(proc_state(parent), None | Some('Z')), "{sweep}: the parent lives");
        freezer.thaw();
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    }
}
