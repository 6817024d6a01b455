//! `killer` dies by SIGKILL between two system calls of a freeze, a thaw or a broadcast: who was stopped goes on, and what nobody
//! can know is said.

use killer_tests::stepper::{Act, traced};
use killer_tests::{Journal, Launch, Marks, TestEnv, eventually};
use std::time::Duration;

/// Runs `killer ARGS` and kills it right before its `nth` signal to a process is sent. False: it ended before.
#[track_caller]
fn killed_before_signal(env: &TestEnv, args: &[&str], nth: u32) -> bool {
    let mut command = env.command();
    command.args(args);
    let mut seen = 0;
    let traced = traced(env, command, Duration::from_secs(60), |call| {
        seen += u32::from(call.number == libc::SYS_pidfd_send_signal);
        if seen == nth { Act::Kill } else { Act::Go }
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
    for nth in [1, 2, 4, 6] {
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
