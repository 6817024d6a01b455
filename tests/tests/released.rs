//! "Released" is said when nobody who was a member holds anything any more, those too who were ending by themselves.

use killer_tests::{Launch, Pidfd, Service, TestEnv, everywhere};
use rustix::process::Signal;
use std::net::TcpListener;

/// The one with the port ends by itself, and at once the service is ended: `ways` in turn, `rounds` times each.
fn ends_by_itself(env: &TestEnv, who: &str, rounds: u32) {
    let ways: [&[&str]; 3] = [&["stop", "svc"], &["-s", "KILL", "--wait", "svc"], &["--wait", "svc"]];
    let mut early = Vec::new();
    for round in 0..rounds {
        for way in ways {
            let Some(service) = Launch::new("slow-end").arg(who).service(env, "svc") else { return };
            let (heavy, port) = (service.fact("heavy"), service.fact("port") as u16);
            let held = Pidfd::open(heavy).expect("it is alive");
            held.signal(Signal::KILL);
            let out = env.killer(way);
            let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
            let ended = !held.alive();
            out.ok();
            if !free || !ended {
                early.push(format!("round {round}, {way:?}: port free: {free}, ended: {ended}"));
            }
            finish(env, service);
        }
    }
    assert!(early.is_empty(), "released is said too early: {early:#?}");
}

fn finish(env: &TestEnv, service: Service) {
    service.assert_dead();
    env.killer(["forget", "svc"]).ok();
}

#[test]
fn a_child_that_was_ending() {
    let Some(env) = TestEnv::reusing("a_child_that_was_ending") else { return };
    ends_by_itself(&env, "child", 7);
}

#[test]
fn an_orphan_that_was_ending() {
    let Some(env) = TestEnv::reusing("an_orphan_that_was_ending") else { return };
    ends_by_itself(&env, "orphan", 3);
}

/// Nobody is left, and the kernel's count is 0: there is nothing to signal, but something to wait for.
#[test]
fn the_last_one_that_was_ending() {
    let Some(env) = TestEnv::reusing("the_last_one_that_was_ending") else { return };
    ends_by_itself(&env, "main", 3);
}

#[test]
fn raw() {
    let Some(mut env) = TestEnv::new("raw") else { return };
    env.vars.push(("KILLER_TIER", "raw"));
    ends_by_itself(&env, "child", 2);
    ends_by_itself(&env, "orphan", 2);
}

#[test]
fn named() {
    let Some(env) = TestEnv::without_programs("named", "named", None) else { return };
    ends_by_itself(&env, "child", 2);
    ends_by_itself(&env, "orphan", 2);
}

#[test]
fn scan() {
    let Some(env) = TestEnv::without_programs("scan", "scan", None) else { return };
    ends_by_itself(&env, "child", 2);
    ends_by_itself(&env, "orphan", 2);
    ends_by_itself(&env, "main", 2);
}

/// A wait that is shorter than an end takes: SIGKILL has its own time, and who ends late in it lets go within it, too.
#[test]
fn after_a_short_wait() {
    everywhere("after_a_short_wait", |env| {
        for mode in ["control-group", "mixed"] {
            for who in ["main", "child"] {
                let Some(service) = Launch::new("slow-end").arg(who).service(env, "svc") else { return };
                let held = Pidfd::open(service.fact("heavy")).expect("it is alive");
                let mode = format!("--mode={mode}");
                env.killer(["stop", &mode, "--signal=HUP", "--timeout=1ms", "svc"]).ok();
                assert!(!held.alive(), "{}: {mode} {who}", env.test);
                assert!(TcpListener::bind(("127.0.0.1", service.fact("port") as u16)).is_ok());
                finish(env, service);
            }
        }
    });
}
