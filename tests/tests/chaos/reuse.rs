//! A number changes hands between two looks: the member dies and an outsider gets its PID while `killer` stands before
//! opening it, or before sending.

use killer_tests::stepper::{Act, traced};
use killer_tests::{Bystander, Launch, Pidfd, TestEnv};
use std::time::Duration;

/// Before what of a member the outsider comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It is opened.
    Opening,
    /// It is sent to, by the handle that was opened.
    Sending,
    /// The kernel is asked to send.
    Sweeping,
}

/// Stops `killer ARGS` there, and lets the outsider in.
fn taken_over(env: &TestEnv, args: &[&str], before: Before, round: u32) -> bool {
    let script = "sleep 30 & echo ready pid=$$ child=$! > $1; wait; exec sleep 30";
    let Some(service) = Launch::shell(script).nanny().service(env, "svc") else { return false };
    let child = service.fact("child");
    let mut outsider: Option<Bystander> = None;
    let mut command = env.command();
    command.args(args);
    if before != Before::Sweeping {
        command.env("KILLER_SWEEP", "pidfd");
    }
    let mut seen = 0;
    let done = traced(env, command, Duration::from_secs(20), |call| {
        let opens = call.number == libc::SYS_pidfd_open && call.args[0] == child as u64;
        // Which descriptor is whose is not known here: the second one that is sent to is the child's.
        let sends = call.number == libc::SYS_pidfd_send_signal && {
            seen += 1;
            seen == 2
        };
        let here = match before {
            Before::Opening => opens,
            Before::Sending => sends,
            Before::Sweeping => call.sweeps,
        };
        if here && outsider.is_none() {
            // Numbers begin anew now and then: a child below its parent's is sent to first, and is gone here.
            let Some(member) = Pidfd::open(child) else { return Act::Go };
            member.signal(rustix::process::Signal::KILL);
            assert!(member.ends_within(Duration::from_secs(2)), "the member does not die");
            let claim = Launch::new("claim-pid").arg(child.to_string()).lease(20);
            outsider = claim.direct(&env.test);
        }
        Act::Go
    });
    let what = format!("round {round} of {args:?}: {}", done.out);
    let Some(outsider) = outsider else {
        // Skipped, or the child had been signalled before.
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        env.killer(["forget", "svc"]).ok();
        return false;
    };
    let holds = Pidfd::open(child).expect("the outsider has the number");
    assert!(!holds.ends_within(Duration::from_millis(100)), "a stranger was killed: {what}");
    assert_eq!(done.out.exit(), 0, "{what}");
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    assert!(holds.alive() && outsider.live.alive(), "a stranger was killed afterwards: {what}");
    assert!(service.live.eof_within(Duration::from_secs(3)), "survivors: {what}");
    // By its number, which the outsider still has.
    holds.signal(rustix::process::Signal::KILL);
    env.killer(["forget", "svc"]).ok();
    true
}

#[test]
fn a_number_changes_hands() {
    let Some(env) = TestEnv::new("a_number_changes_hands") else { return };
    env.killer(["up"]).ok();
    let (mut done, mut tried) = (0, 0);
    for round in 0..3 {
        for args in [&["-s", "KILL", "svc"][..], &["-s", "TERM", "svc"], &["-s", "KILL", "--wait=5s", "svc"]]
        {
            for before in [Before::Opening, Before::Sending, Before::Sweeping] {
                tried += 1;
                done += u32::from(taken_over(&env, args, before, round));
            }
        }
    }
    eprintln!("{done} of {tried} numbers changed hands in time");
    if done == 0 {
        killer_tests::skip("a_number_changes_hands", "no PID could be taken over (clone3 with set_tid)");
    }
}
