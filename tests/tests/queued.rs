//! A queued value: whoever is forked while it is sent gets it as sigqueue(3) sends it, once, however it is taken.

use killer_tests::{Journal, Launch, TestEnv};
use std::time::Duration;

const VALUE: usize = 7;

#[track_caller]
fn all_get_it(test: &str, how: &str) {
    let Some(env) = TestEnv::new(test) else { return };
    let rounds = std::env::var("KILLER_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(12usize);
    let path = env.path("count");
    let launch = Launch::new("fork-count").arg(path.to_string_lossy()).arg("35").arg(how);
    let Some(service) = launch.lease(60 + rounds as i64 / 4).service(&env, "svc") else { return };
    let (mut doubtful, mut late) = (0, 0);
    for _ in 0..rounds {
        let out = env.killer(["-v", "-s", "35", &format!("--value={VALUE}"), "svc"]);
        // A kernel that skips hooks says of whom it does not know.
        match out.exit() {
            64 if out.stdout.contains("born unseen") || out.stderr.contains("born unseen") => doubtful += 1,
            _ => drop(out.ok()),
        }
        late += usize::from(out.stdout.contains("born meanwhile"));
    }
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(service.live.eof_within(Duration::from_secs(20)), "it does not end");
    let lines = Journal::new(path).next(4);
    // PID, sum of the values that came from sigqueue, how many came.
    let words = |l: &String| l.split(' ').map(|w| w.parse::<usize>().expect("a number")).collect::<Vec<_>>();
    println!(
        "{test}: {rounds} rounds, {} at the end, {doubtful} doubtful, {late} with newborns",
        lines.len()
    );
    let wrong = |l: &&String| {
        let (sum, taken) = (words(l)[1], words(l)[2]);
        taken < rounds - doubtful || taken > rounds + doubtful || doubtful == 0 && sum != VALUE * taken
    };
    assert_eq!(
        lines.iter().filter(wrong).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "of {rounds}: {lines:?}"
    );
}

#[test]
fn by_a_signalfd() {
    all_get_it("by_a_signalfd", "signalfd");
}

#[test]
fn by_sigwaitinfo() {
    all_get_it("by_sigwaitinfo", "sigwait");
}
