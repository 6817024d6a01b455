//! Exactly once: every signal but KILL, along every line of descent, while the tree forks all the time.
//!
//! `KILLER_ROUNDS=1000 cargo test -p killer-tests --test broadcast -- --nocapture` is the long run; each test prints its
//! figures; one test after the other (`--exact NAME`).

use killer_tests::stepper::{Act, traced};
use killer_tests::{Journal, Launch, Objects, Out, TestEnv};
use std::time::{Duration, Instant};

fn rounds(few: usize) -> usize {
    std::env::var("KILLER_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(few)
}

/// Sends `rounds` times, then looks at what everybody who lives at the end has taken, himself or before he was forked.
#[track_caller]
fn once_each(test: &str, behaviour: &str, signal: i32, options: &[&str], sum: Option<usize>) {
    if let Some(env) = TestEnv::new(test) {
        once_each_in(&env, behaviour, signal, options, sum);
    }
}

/// A kernel that skips hooks, or does not tell which signals wait (5.10 under lockdown=confidentiality): who was
/// born unseen may have it twice or not at all, and it is said.
fn is_unsure(out: &Out) -> bool {
    out.exit() == 64 && format!("{}{}", out.stdout, out.stderr).contains("born unseen")
}

#[track_caller]
fn once_each_in(env: &TestEnv, behaviour: &str, signal: i32, options: &[&str], sum: Option<usize>) {
    let test = &env.test;
    let rounds = rounds(12);
    let path = env.path("count");
    let launch = Launch::new(behaviour).arg(path.to_string_lossy()).arg(signal.to_string());
    let Some(service) = launch.lease(40 + rounds as i64 / 5).service(env, "svc") else { return };
    let begun = Instant::now();
    let objects = Objects::new(&env.pin_root);
    let seen = || (objects.skipped(), objects.global().map_or(0, |g| g.walk_indexed));
    let before = seen();
    let (mut both, mut doubtful) = (0, 0);
    for _ in 0..rounds {
        let out = env.killer([&["-v", "-s", &signal.to_string()], options, &["svc"]].concat());
        let unsure = is_unsure(&out);
        doubtful += usize::from(unsure);
        if !unsure {
            out.ok();
        }
        // On a machine that is too busy to let them take it within half a second it says so: standard signals do not queue.
        both += usize::from(out.stdout.contains("both as one"));
    }
    let took = begun.elapsed();
    let after = seen();
    let ever = env.killer(["list", "-o", "json"]).json()["services"][0]["ever"].as_u64().unwrap_or(0);
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(service.live.eof_within(Duration::from_secs(20)), "it does not end");
    let lines = Journal::new(path).next(4);
    let words = |l: &String| l.split(' ').map(|w| w.parse::<usize>().expect("a number")).collect::<Vec<_>>();
    let missed = lines.iter().filter(|l| words(l)[2] < rounds - both - doubtful).count();
    let double = lines.iter().filter(|l| words(l)[2] > rounds + doubtful).count();
    let inside = lines.iter().map(|l| words(l)[1]).max().unwrap_or(0);
    println!(
        "{test}: {rounds} rounds in {took:.1?}, {ever} processes, {} at the end: {missed} missed, {double} double{}",
        lines.len(),
        if sum.is_none() && behaviour == "fork-threads" {
            let longest = lines.iter().filter_map(|l| words(l).get(3).copied()).max().unwrap_or(0);
            format!("; {inside} taken inside a fork, which went on for {longest} µs at most")
        } else {
            String::new()
        }
    );
    if after != before {
        let (skipped, found) = (after.0 - before.0, after.1 - before.1);
        println!(
            "{test}: the kernel skipped {skipped} hook runs, walks found {found} processes that were in no list; \
             of {doubtful} broadcasts killer said so"
        );
    }
    if both > 0 {
        println!(
            "{test}: before {both} of them somebody had not taken the one before yet, as the receipt said"
        );
        assert!(signal < 34, "real-time signals queue");
    }
    assert!(lines.len() >= 4 && missed + double == 0, "wrong of {rounds}: {lines:?}");
    if let Some(sum) = sum.filter(|_| doubtful == 0) {
        assert!(lines.iter().all(|l| words(l)[1] == sum * rounds), "values of {rounds} rounds: {lines:?}");
    }
}

#[test]
fn real_time_with_a_value() {
    once_each("real_time_with_a_value", "fork-count", 35, &["--value=7"], Some(7));
}

#[test]
fn term() {
    once_each("term", "fork-count", 15, &[], None);
}

#[test]
fn hup() {
    once_each("hup", "fork-count", 1, &[], None);
}

#[test]
fn usr1() {
    once_each("usr1", "fork-count", 10, &[], None);
}

/// Another thread takes the signal while one forks.
#[test]
fn from_processes_with_threads() {
    once_each("from_processes_with_threads", "fork-threads", 36, &[], None);
}

/// As before 6.13: what a fork that was in flight brings is the sweeper's to find.
#[test]
fn from_processes_with_threads_by_the_sweeper() {
    let Some(mut env) = TestEnv::new("from_processes_with_threads_by_the_sweeper") else { return };
    env.vars.push(("KILLER_GATE", "C"));
    once_each_in(&env, "fork-threads", 36, &[], None);
}

/// As on 5.10, where no program is shown the task that it runs in: which signals wait for a creator is read by address.
#[test]
fn where_no_program_sees_its_task() {
    let Some(mut env) = TestEnv::new("where_no_program_sees_its_task") else { return };
    env.vars.extend([("KILLER_LACK", "current-task"), ("KILLER_GATE", "C")]);
    once_each_in(&env, "fork-threads", 36, &[], None);
}

/// The same under lockdown=confidentiality, where nothing can be read by address: what cannot be known is said.
#[test]
fn where_nobody_sees_what_waits() {
    let Some(mut env) = TestEnv::new("where_nobody_sees_what_waits") else { return };
    env.vars.extend([("KILLER_LACK", "current-task,kernel-memory"), ("KILLER_GATE", "C")]);
    let path = env.path("count");
    let launch = Launch::new("fork-count").arg(path.to_string_lossy()).arg("35");
    let Some(service) = launch.service(&env, "svc") else { return };
    let out = env.killer(["-s", "35", "svc"]);
    assert_eq!(out.exit(), 64, "{out}");
    assert!(format!("{}{}", out.stdout, out.stderr).contains("twice or not at all"), "{out}");
    // A set in which nobody is born leaves no doubt.
    let Some(_calm) = Launch::new("plain").service(&env, "calm") else { return };
    env.killer(["-s", "CONT", "calm"]).ok();
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(service.live.eof_within(Duration::from_secs(20)), "it does not end");
    env.killer(["-KILL", "svc", "calm"]);
}

#[test]
fn usr2_from_processes_with_threads() {
    once_each("usr2_from_processes_with_threads", "fork-threads", 12, &[], None);
}

/// How many signals each one took that wrote a line.
fn counts(lines: &[String]) -> Vec<usize> {
    lines.iter().map(|l| l.rsplit(' ').next().unwrap_or("").parse().expect("a number")).collect()
}

/// `--newborns=ignore`: who was there gets it once, who comes nothing; nobody more than once.
#[test]
fn newborns_are_ignored() {
    let Some(env) = TestEnv::new("newborns_are_ignored") else { return };
    let path = env.path("count");
    let launch = Launch::new("fork-count").arg(path.to_string_lossy()).arg("35");
    let Some(service) = launch.service(&env, "svc") else { return };
    let mut doubtful = 0;
    for _ in 0..8 {
        let out = env.killer(["-s", "35", "--newborns=ignore", "svc"]);
        if is_unsure(&out) {
            doubtful += 1;
        } else {
            out.ok().silent();
        }
    }
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(service.live.eof_within(Duration::from_secs(20)));
    let counts = counts(&Journal::new(path).next(11));
    assert!(counts.iter().all(|c| *c <= 8 + doubtful), "somebody got more than was sent: {counts:?}");
    // The root and the four families live from the beginning to the end.
    let whole = counts.iter().filter(|c| **c >= 8 - doubtful).count();
    assert!(whole >= 5, "of {doubtful} broadcasts killer said that it was not sure: {counts:?}");
}

/// `--newborns=kill`: nobody who is born meanwhile lives.
#[test]
fn newborns_are_killed() {
    let Some(env) = TestEnv::new("newborns_are_killed") else { return };
    let path = env.path("count");
    let launch = Launch::new("fork-count").arg(path.to_string_lossy()).arg("35");
    let Some(service) = launch.service(&env, "svc") else { return };
    let out = env.killer(["-s", "35", "--newborns=kill", "-o", "json", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot end newborns") {
        killer_tests::skip(&env.test, "no gate at birth here");
        return;
    }
    out.ok();
    assert!(out.json()["gates"].as_array().is_some_and(|g| !g.is_empty()), "{out}");
    env.killer(["-s", "35", "--newborns=nobody", "svc"]).code(2);
    // The gate is open again, and who was there lives.
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    if !service.live.eof_within(Duration::from_secs(20)) {
        panic!("they do not end: {out}{}", env.killer(["status", "svc"]));
    }
    // The root and the four families.
    let counts = counts(&Journal::new(path).next(5));
    assert!(
        counts.iter().filter(|c| **c == 1).count() >= 5,
        "who was there got it once and lives: {counts:?}"
    );
    assert!(counts.iter().all(|c| *c <= 1), "{counts:?}");
    env.killer(["-KILL", "svc"]).ok();
}

/// Where the kernel can skip a program (7.0+): a call that was not stamped leaves a doubt, and that is said.
#[test]
fn a_call_without_a_stamp() {
    let Some(mut env) = TestEnv::new("a_call_without_a_stamp") else { return };
    env.vars.extend([("KILLER_LACK", "every-run"), ("KILLER_GATE", "C")]);
    let path = env.path("count");
    let launch = Launch::new("fork-threads").arg(path.to_string_lossy()).arg("35");
    let Some(service) = launch.lease(40).service(&env, "svc") else { return };
    if env.killer(["status", "-o", "json", "svc"]).ok().json()["tier"] != "typed" {
        return killer_tests::skip(
            &env.test,
            "a fork's start is stamped by the birth witness, or no run is skipped here",
        );
    }
    let mut told = 0;
    for _ in 0..5 {
        let mut command = env.command();
        command.args(["-s", "35", "svc"]);
        let mut sent = false;
        let out = traced(&env, command, Duration::from_secs(30), |call| {
            sent |= call.signals();
            if sent { Act::Skipped(&["on_sys_enter"], 1) } else { Act::Go }
        });
        told += usize::from(is_unsure(&out.out));
    }
    assert_eq!(told, 5);
    // Nor is a program without a doubt that cannot be attached. The one that hears of signals still is, by the call before.
    const RAW_TRACEPOINT_OPEN: u64 = 17;
    let mut command = env.command();
    command.args(["-s", "35", "svc"]);
    let out = traced(&env, command, Duration::from_secs(30), |call| {
        if call.bpf != 0 && call.args[0] == RAW_TRACEPOINT_OPEN { Act::Fail(libc::ENOMEM) } else { Act::Go }
    });
    assert!(is_unsure(&out.out), "{}", out.out);
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(service.live.eof_within(Duration::from_secs(20)), "it does not end");
    env.killer(["-KILL", "svc"]);
}
