//! `killer` dies by SIGKILL between two system calls of a freeze, a thaw or a broadcast: who was stopped goes on, and what nobody
//! can know is said.

use killer_tests::stepper::{Act, traced};
use killer_tests::{Journal, Launch, Marks, TestEnv, eventually};
use std::time::Duration;

/// Runs `killer ARGS` and kills it right before its `nth` signal to a process is sent; 0: right after the first one, or after the
/// first ones where the kernel sends them. False: it ended before.
#[track_caller]
fn killed_before_signal(env: &TestEnv, args: &[&str], nth: u32) -> bool {
    let mut command = env.command();
    command.args(args);
    if nth > 1 {
        command.env("KILLER_SWEEP", "pidfd");
    }
    let mut seen = 0;
    let traced = traced(env, command, Duration::from_secs(60), |call| {
        let before = seen;
        seen += u32::from(call.signals());
        let now = if nth == 0 { before > 0 } else { seen == nth };
        if now { Act::Kill } else { Act::Go }
    });
    traced.killed
}

#[test]
fn a_freeze() {
    let Some(env) = TestEnv::reusing("a_freeze") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+threads+chains") else { return };
    let out = env.killer(["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        killer_tests::skip(&env.test, "this tier cannot freeze");
        return;
    }
    out.ok();
    env.killer(["thaw", "svc"]).ok();
    for nth in [0, 1, 2, 4, 6] {
        assert!(marks.moves());
        if !killed_before_signal(&env, &["freeze", "svc"], nth) {
            // The hooks were faster: nobody was left to be signalled. Then it is frozen for good.
            assert!(nth > 1, "who does not fork has to be signalled");
            env.killer(["thaw", "svc"]).ok();
            continue;
        }
        let out = env.killer(["status", "svc"]);
        assert!(out.ok().stdout.contains("Freeze: interrupted"), "{out}");
        assert!(marks.moves(), "stopped before signal {nth} and not let go");
    }
    let (errors, errno) = marks.errors();
    assert_eq!(errors, 0, "the program saw errno {errno}");
    // And the way back: half of them woken, then nobody.
    for nth in [1, 3] {
        env.killer(["freeze", "svc"]).ok();
        assert!(killed_before_signal(&env, &["thaw", "svc"], nth));
        env.killer(["list"]).ok();
        assert!(marks.moves());
        let states = env.killer(["status", "-o", "json", "svc"]).json();
        for pid in killer_tests::pids(&states) {
            let runs = || killer_tests::proc_state(pid) != Some('T');
            assert!(eventually(Duration::from_secs(1), runs), "{pid} is still stopped");
        }
    }
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

/// Whichever verb comes next lets them go, also one that is for another service, or takes the tracker away.
#[test]
fn a_freeze_is_undone_by_whoever_comes_next() {
    let test = "a_freeze_is_undone_by_whoever_comes_next";
    let stranger = Launch::new("plain").direct(test).expect("'plain' never skips");
    let pid = stranger.pid().to_string();
    for verb in [
        &["run", "--name", "other", "--", "true"][..],
        &["run", "--name", "another", "--detach", "--kill-on-exit", "--", "true"],
        &["adopt", "old", "--pid", &pid],
        &["up"],
        &["down", "--force"],
    ] {
        let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
        let Some((service, marks)) = Marks::ticking(&env, "families+threads+chains+rest") else { return };
        if env.killer(["freeze", "svc"]).exit() != 0 {
            return killer_tests::skip(test, "this tier cannot freeze");
        }
        env.killer(["thaw", "svc"]).ok();
        // The hooks may be faster than the sweeper, but for two that do not fork. Where system calls are hooked they can be
        // faster there, too; then it is frozen for good.
        let cut = (0..10).any(|_| {
            killed_before_signal(&env, &["freeze", "svc"], 2) || {
                env.killer(["thaw", "svc"]).ok();
                false
            }
        });
        assert!(cut, "no freeze has sent two signals");
        env.killer(verb).ok();
        assert!(marks.moves(), "still stopped after {verb:?}");
        if verb[0] != "down" {
            env.killer(["-KILL", "--wait", "svc"]).ok();
            service.assert_dead();
        }
    }
}

/// Runs of a hook that the kernel has skipped count against every live service, whichever verb notices it.
#[test]
fn whoever_comes_next_counts_skipped_hooks() {
    let test = "whoever_comes_next_counts_skipped_hooks";
    let stranger = Launch::new("plain").direct(test).expect("'plain' never skips");
    let pid = stranger.pid().to_string();
    for verb in [
        &["list"][..],
        &["exec", "--name", "svc", "--", "true"],
        &["run", "--name", "other", "--", "true"],
        &["adopt", "old", "--pid", &pid],
        &["up"],
    ] {
        let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        let status = || env.killer(["status", "-o", "json", "svc"]).ok().json();
        if !matches!(status()["tier"].as_str(), Some("typed" | "raw"))
            || killer_tests::kernel_number() < (5, 12)
        {
            return killer_tests::skip(test, "no run of a hook is skipped here, or it does not matter");
        }
        let mut command = env.command();
        command.args(verb);
        traced(&env, command, Duration::from_secs(30), |_| Act::Skipped(&["on_newtask"], 3)).out.ok();
        let why = status()["exactness"]["reasons"].to_string();
        assert!(why.contains("missed-hook"), "{verb:?} has not counted them: {why}");
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    }
}

/// Between the children and their parent: that runs on, as what was not sent it does, and the next call ends it.
#[test]
fn a_kill_of_a_star() {
    let Some(env) = TestEnv::reusing("a_kill_of_a_star") else { return };
    let Some(service) = Launch::new("star").arg("70").service(&env, "svc") else { return };
    assert!(killed_before_signal(&env, &["-KILL", "svc"], 70));
    assert!(service.live.alive(), "71 processes by 69 signals");
    let left = killer_tests::pids(&env.killer(["status", "-o", "json", "svc"]).ok().json());
    assert!(!left.is_empty());
    for pid in left {
        assert_ne!(killer_tests::proc_state(pid), Some('T'), "{pid} is stopped");
    }
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn a_broadcast() {
    let Some(env) = TestEnv::reusing("a_broadcast") else { return };
    let path = env.path("journal");
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("5");
    let Some(service) = launch.service(&env, "svc") else { return };
    let mut journal = Journal::new(path);
    let mut pids = service.pids();
    pids.sort_unstable();
    let third = format!("process {} has an unknown outcome", pids[2]);
    assert!(killed_before_signal(&env, &["-s", "RTMIN+1", "svc"], 3));
    let got: Vec<i32> = journal.signals(2).into_iter().map(|t| t.pid).collect();
    assert_eq!(got, pids[..2], "sent at most once, in PID order");
    let out = env.killer(["status", "svc"]);
    if !out.ok().stdout.contains("unknown outcome") && out.stdout.contains("tier scan") {
        killer_tests::skip(&env.test, "this tier keeps no claims");
        return;
    }
    assert!(out.stdout.contains(&third), "{out}");
    // The next signal is told once, and is sent to everybody.
    let out = env.killer(["-v", "-s", "USR2", "svc"]);
    assert!(out.ok().stdout.contains(&third), "{out}");
    assert_eq!(journal.signals(6).len(), 6);
    let out = env.killer(["-v", "-s", "USR2", "svc"]);
    assert!(!out.ok().stdout.contains("unknown outcome"), "{out}");
    assert_eq!(journal.signals(6).len(), 6);
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// The lease of a killer that died holds for the service that it was for, and for no other one of this name.
#[test]
fn a_kill_and_its_name_is_used_again() {
    let Some(env) = TestEnv::reusing("a_kill_and_its_name_is_used_again") else { return };
    for round in 0..3 {
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        assert!(killed_before_signal(&env, &["-KILL", "svc"], 0), "round {round}");
        service.assert_dead();
        let out = env.killer(["run", "--name", "svc", "--", "sh", "-c", "/bin/true; echo runs"]);
        assert_eq!(out.ok().stdout, "runs\n", "round {round}");
    }
    let named = env.killer(["list", "-o", "json"]);
    let named = &named.ok().stdout;
    assert_eq!(named.matches("\"svc\"").count(), 1, "{named}");
}
