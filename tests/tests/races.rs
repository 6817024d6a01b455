//! A service that has ended and was forgotten, and whose place another one has taken, between the look-up of its name and what is
//! done: nobody else is touched, and it is said in words.

use killer_tests::stepper::{self, Act, Call};
use killer_tests::{Launch, Out, Service, TestEnv};
use std::time::Duration;

/// Where another service takes the place.
type At = fn(&Call) -> bool;

fn locks(call: &Call) -> bool {
    call.number == libc::SYS_flock
}

fn opens(call: &Call) -> bool {
    call.number == libc::SYS_pidfd_open
}

fn sweeps(call: &Call) -> bool {
    call.sweeps
}

/// `verb` on a service that makes room for another one when `killer` makes this system call first.
fn overtaken(env: &TestEnv, verb: &[&str], at: At) -> Option<(Out, Option<Service>)> {
    let service = Launch::new("plain").service(env, "svc")?;
    if verb[0] == "thaw" {
        let out = env.killer(["freeze", "svc"]);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            killer_tests::skip(&env.test, "this tier cannot freeze");
            return None;
        }
        out.ok();
    }
    let mut other = None;
    let mut done = false;
    let mut command = env.command();
    command.args(verb);
    let out = stepper::traced(env, command, Duration::from_secs(60), |call| {
        if at(call) && !done {
            done = true;
            env.killer(["-KILL", "--wait", "svc"]).ok();
            env.killer(["forget", "svc"]).ok();
            other = Launch::new("plain").service(env, "other");
        }
        Act::Go
    })
    .out;
    service.assert_dead();
    Some((out, other))
}

#[test]
fn the_place_of_another() {
    let rows: [(&[&str], At); 6] = [
        (&["freeze", "svc"], locks),
        (&["thaw", "svc"], locks),
        (&["-s", "KILL", "svc"], opens),
        (&["-s", "KILL", "svc"], sweeps),
        (&["-s", "TERM", "svc"], locks),
        (&["stop", "svc"], locks),
    ];
    for (verb, at) in rows {
        let Some(mut env) = TestEnv::new("the_place_of_another").map(TestEnv::alone) else { return };
        if std::ptr::fn_addr_eq(at, opens as At) {
            env.vars.push(("KILLER_SWEEP", "pidfd"));
        }
        let Some((out, other)) = overtaken(&env, verb, at) else { return };
        assert!(!out.stderr.contains("os error"), "{out}");
        let Some(other) = other else {
            assert!(std::ptr::fn_addr_eq(at, sweeps as At), "it was not overtaken: {out}");
            killer_tests::skip(&env.test, "no kernel sweep");
            continue;
        };
        other.assert_alive();
        let status = env.killer(["status", "-o", "json", "other"]).ok().json();
        assert_eq!(
            (&status["state"], &status["last_kill"]),
            (&"live".into(), &serde_json::Value::Null),
            "{out}"
        );
        if verb[0] == "freeze" || verb[0] == "thaw" {
            out.error(4, &["svc", "meanwhile"]);
        }
        env.killer(["-KILL", "--wait", "other"]).ok();
    }
}
