//! Places in the registry: what has ended gives its own, the longest-ended first, and nobody who lives.

use std::time::{Duration, Instant};

use killer_tests::{Launch, TestEnv};

fn job(env: &TestEnv, name: &str, more: &[&str]) {
    env.killer([&["run", "--name", name][..], more, &["--", "true"]].concat()).ok();
}

/// Jobs with names of their own, one after the other, until `most` are done or the time is over.
fn many(env: &TestEnv, most: usize, limit: Duration) -> usize {
    let begun = Instant::now();
    for n in 0..most {
        if begun.elapsed() > limit {
            return n;
        }
        job(env, &format!("job-{n}"), &[]);
    }
    most
}

/// More jobs than there are places.
#[test]
fn more_jobs_than_places() {
    let Some(env) = TestEnv::new("more_jobs_than_places") else { return };
    let env = env.alone();
    let Some(live) = Launch::new("plain").lease(600).service(&env, "live") else { return };
    let done = many(&env, 1500, Duration::from_secs(400));
    let known = env.names();
    assert!(known.contains(&"live".into()) && known.contains(&format!("job-{}", done - 1)), "{known:?}");
    assert!(known.len() <= 514, "{} are known", known.len());
    assert!(done < 600 || !known.contains(&"job-0".into()), "the first of {done} is still known");
    live.assert_alive();
}

fn kept(env: &TestEnv) {
    let Some(live) = Launch::new("plain").service(env, "live") else { return };
    for n in 0..8 {
        job(env, &format!("job-{n}"), &["--keep", "3"]);
    }
    assert_eq!(env.names(), ["job-4", "job-5", "job-6", "job-7", "live"]);
    // One that was heard of lately outlives others that are younger.
    env.killer(["-q", "-s", "KILL", "job-4"]).ok();
    job(env, "other", &["--keep=2"]);
    assert_eq!(env.names(), ["job-4", "job-7", "live", "other"]);
    // The name that is asked for is not what gives its place.
    job(env, "job-7", &["--keep=0"]);
    assert_eq!(env.names(), ["job-7", "live"]);
    env.killer(["status", "job-4"]).code(4);
    live.assert_alive();
}

#[test]
fn so_many_are_kept() {
    let Some(env) = TestEnv::new("so_many_are_kept") else { return };
    kept(&env.alone());
}

#[test]
fn so_many_are_kept_named() {
    let Some(env) = TestEnv::without_programs("so_many_are_kept_named", "named", None) else { return };
    kept(&env);
    many(&env, 60, Duration::from_secs(60));
}

#[test]
fn so_many_are_kept_scan() {
    let Some(env) = TestEnv::without_programs("so_many_are_kept_scan", "scan", None) else { return };
    kept(&env);
    many(&env, 60, Duration::from_secs(60));
}

/// A service that has ended around one that lives keeps its place: it is how the inner one is ended with it.
#[test]
fn around_a_live_one() {
    let Some(env) = TestEnv::new("around_a_live_one") else { return };
    let env = env.alone();
    let start =
        format!("{} run --detach --inside --name inner -- sleep 60", killer_tests::killer().display());
    let shell = Launch::shell(&format!("{start}; echo ready > \"$1\"; exec sleep 60"));
    let Some(_outer) = shell.service(&env, "outer") else { return };
    env.killer(["-s", "KILL", "--whom=main", "outer"]).ok();
    env.killer(["wait", "--until=main-gone", "--timeout=20s", "outer"]).ok();
    job(&env, "a", &["--keep=0"]);
    job(&env, "b", &["--keep=0"]);
    env.killer(["forget", "--ended"]).ok().silent();
    assert_eq!(env.names(), ["inner", "outer"]);
    env.killer(["-s", "KILL", "outer"]).ok();
    env.killer(["forget", "--ended"]).ok().silent();
    assert!(env.names().is_empty());
}

#[test]
fn forget_ended() {
    let Some(env) = TestEnv::new("forget_ended") else { return };
    let env = env.alone();
    env.killer(["forget", "--ended"]).ok().silent();
    let Some(live) = Launch::new("plain").service(&env, "live") else { return };
    job(&env, "a", &[]);
    job(&env, "b", &[]);
    env.killer(["forget", "--ended", "a"]).code(2);
    env.killer(["forget"]).code(2);
    env.killer(["forget", "--ended"]).ok().silent();
    assert_eq!(env.names(), ["live"]);
    env.killer(["status", "a"]).code(4);
    live.assert_alive();
}
