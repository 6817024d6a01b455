//! Each look at a process or a file refused once: a success is one, and nobody is lost for the next call.

use killer_tests::stepper::{Act, CAN_FAIL, Call, OF_LOOKS, traced};
use killer_tests::{Launch, Out, Service, TestEnv, skip};
use std::time::{Duration, Instant};

use super::{named, scan_as_root};

const LIMIT: Duration = Duration::from_secs(20);
/// For each verb, unless `KILLER_CHAOS=all`.
const BUDGET: Duration = Duration::from_millis(2500);

/// Whether it opens a process's directory of /proc.
fn opens_an_entry(call: &Call) -> bool {
    let flags = (libc::O_PATH | libc::O_DIRECTORY) as u64;
    call.number == libc::SYS_openat && call.args[0] < 1 << 16 && call.args[2] & flags == flags
}

/// Looks before the program has begun: its loader's.
fn start(env: &TestEnv, fails: fn(&Call) -> bool) -> u64 {
    let mut command = env.command();
    command.arg("--version");
    let mut looks = 0;
    traced(env, command, LIMIT, |call| {
        looks += u64::from(fails(call));
        Act::Go
    });
    looks
}

fn blind(env: &TestEnv, verb: &str, args: &[&str], right: impl Fn(&Service, &Out) -> bool) {
    let all = std::env::var("KILLER_CHAOS").is_ok_and(|v| v == "all");
    each(env, verb, args, right, all, Call::is_a_look);
}

/// Some of the looks that `fails` names, or all.
fn each(
    env: &TestEnv,
    verb: &str,
    args: &[&str],
    right: impl Fn(&Service, &Out) -> bool,
    all: bool,
    fails: fn(&Call) -> bool,
) {
    let first = start(env, fails);
    let begun = Instant::now();
    // Parts in the middle are reached also by a sample: the golden ratio spreads it.
    let (mut most, mut at, mut done) = (u64::MAX, 0u64, 0);
    while done < most && (all || begun.elapsed() < BUDGET) {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let (errno, word) = OF_LOOKS[done as usize % OF_LOOKS.len()];
        let mut looks = 0;
        let mut command = env.command();
        command.args(args);
        let out = traced(env, command, LIMIT, |call| {
            looks += u64::from(fails(call));
            if fails(call) && done != 0 && looks == first + at { Act::Fail(errno) } else { Act::Go }
        })
        .out;
        let what = format!("{verb}: look {at} of {most} answered {word}: {out}");
        if done == 0 {
            most = looks.saturating_sub(first).max(2);
            assert_eq!(out.exit(), 0, "undisturbed: {what}");
        }
        if out.exit() == 0 {
            assert!(right(&service, &out), "a success that is none: {what}");
        } else {
            assert!([1, 64, 77, 124].contains(&out.exit()), "{what}");
            assert!((1..=4).contains(&out.stderr.lines().count()), "{what}");
        }
        let kill = env.killer(["-s", "KILL", "--wait=10s", "svc"]);
        assert_eq!(kill.exit(), 0, "kill afterwards: {kill}{what}");
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
        done += 1;
        at = if all { done } else { 1 + (done as f64 * 0.618 * most as f64) as u64 % most };
    }
    eprintln!("{verb}: {done} of {most} looks");
}

fn everything(test: &str, env: Option<TestEnv>) {
    if !CAN_FAIL {
        return skip(test, "calls can be made to fail on x86_64 only");
    }
    let Some(env) = env else { return };
    let dead = |s: &Service, _: &Out| s.live.eof_within(Duration::from_secs(3));
    blind(&env, "KILL", &["-s", "KILL", "svc"], dead);
    blind(&env, "TERM", &["-s", "TERM", "svc"], dead);
    blind(&env, "stop", &["stop", "svc", "--retry=TERM/5/KILL/5"], dead);
    blind(&env, "list", &["list", "-o", "json"], |_, out| {
        out.json()["services"][0]["counts"]["processes"] == 2
    });
    blind(&env, "status", &["status", "svc", "-o", "json"], |_, out| {
        let status = out.json();
        status["counts"]["processes"] == 2 && killer_tests::pids(&status).len() == 2
    });
}

/// Of 800 looks two were at whether a member is still in its directory: the one was not signalled, and nothing said so.
fn no_entry(test: &str, env: Option<TestEnv>, all: bool) {
    if !CAN_FAIL {
        return skip(test, "calls can be made to fail on x86_64 only");
    }
    let Some(env) = env else { return };
    let dead = |s: &Service, _: &Out| s.live.eof_within(Duration::from_secs(3));
    each(&env, "TERM", &["-s", "TERM", "svc"], dead, all, opens_an_entry);
}

#[test]
fn no_entry_with_named() {
    no_entry("no_entry_with_named", named("no_entry_with_named"), true);
}

#[test]
fn no_entry_with_scan() {
    let all = std::env::var("KILLER_CHAOS").is_ok_and(|v| v == "all");
    no_entry("no_entry_with_scan", scan_as_root("no_entry_with_scan"), all);
}

#[test]
fn blind_with_named() {
    everything("blind_with_named", named("blind_with_named"));
}

#[test]
fn blind_with_scan() {
    everything("blind_with_scan", scan_as_root("blind_with_scan"));
}
