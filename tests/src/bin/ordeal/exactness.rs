//! Births by the forkers' own count against births by the tracker's.
//!
//! Two parts. First so many forks until all forkers have ended: then every total has to be equal. Then services that
//! never stop are killed again and again: whoever the pipe shows alive after a success is a survivor.

use crate::hammer::Hammer;
use crate::options::Options;
use crate::tally::Tally;
use killer_common::names;
use killer_tests::{Launch, Objects, Said, Service, TestEnv, find};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NAME: &str = "load";

/// Measures and prints one line.
pub fn main(options: &Options) -> Result<(), String> {
    let forks = options.number("forks", 20_000)?;
    let seconds = options.number("seconds", 540)?;
    let kills = options.number("kills", 10)?;
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let workers = options.number("workers", 1 + 5 * cpus as u64)? as usize;
    let env = TestEnv::new("exactness").ok_or("cannot run here")?;
    ok(&env, &["up"])?;
    let objects = Objects::new(&env.pin_root);
    let maps = [names::BIRTHS].iter().filter_map(|n| objects.map(n)).collect();
    let hammers = options.number("hammers", cpus as u64)? as usize;
    let hammer = Hammer::start(hammers, maps);

    let began = Instant::now();
    let mut m = totals(&env, &objects, forks, workers, Duration::from_secs(seconds))?;
    let took = began.elapsed();
    let survivors = kill_rounds(&env, kills, workers)?;
    m["hammer_calls"] = hammer.end().into();
    m["seconds"] = json!((took.as_secs_f64() * 10.0).round() / 10.0);
    m["kills"] = kills.into();
    m["survivors"] = survivors.into();
    m["kernel"] = killer_tests::kernel().into();
    m["cpus"] = cpus.into();
    m["label"] = options.text("label").unwrap_or("").into();
    println!("FIGURES exactness {m}");
    match (&m["silent"], survivors) {
        (silent, 0) if *silent == 0 => Ok(()),
        (silent, _) => Err(format!("silent: {silent}, survivors: {survivors}")),
    }
}

fn ok(env: &TestEnv, args: &[&str]) -> Result<killer_tests::Out, String> {
    let out = env.killer(args);
    if out.exit() == 0 { Ok(out) } else { Err(out.to_string()) }
}

fn start(env: &TestEnv, tally: &str, workers: usize, lease: i64) -> Result<Service, String> {
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let launch = Launch::new("load").program(&me).lease(lease).arg(tally).arg(workers.to_string());
    launch.service(env, NAME).ok_or_else(|| "skipped".into())
}

/// A quota of forks, then silence: everything is compared.
fn totals(
    env: &TestEnv,
    objects: &Objects,
    forks: u64,
    workers: usize,
    limit: Duration,
) -> Result<Value, String> {
    let path = env.path("tally");
    let tally = Tally::map(&path).map_err(|e| e.to_string())?;
    tally.begin(forks);
    let before = (objects.skipped(), objects.global());
    let mut service = start(env, &path.to_string_lossy(), workers, limit.as_secs() as i64 + 120)?;
    let mut said = service.ready.next(limit);
    if said.is_none() {
        tally.stop();
        said = service.ready.next(Duration::from_secs(60));
    }
    if said != Some(Said::Ready("done".into())) {
        return Err(format!("the load did not end: {said:?}"));
    }
    let (forks, threads, refused) = tally.sums();
    // What the tracker says of it, as users see it. Looking may repair; what is claimed afterwards counts.
    let list = ok(env, &["list", "-o", "json"])?.json();
    let claim = list["services"].as_array().and_then(|s| s.first()).ok_or("no service in the list")?.clone();
    let after = (objects.skipped(), objects.global());
    let exact = claim["exactness"]["exact"] == true;
    let reported: u64 = claim["exactness"]["reasons"]
        .as_array()
        .map_or(0, |r| r.iter().filter_map(|r| r["count"].as_u64()).sum());
    let ever = claim["ever"].as_u64().unwrap_or(0);
    let alive = claim["counts"]["processes"].as_u64().unwrap_or(0);
    let tasks = claim["counts"]["tasks"].as_i64().unwrap_or(0);
    // The root of the load is one process more than there were forks, and the only one alive.
    let born = forks + 1;
    // Where births are not counted, it is said, and what is claimed is who lives.
    let counted = claim["ever_at_least"] != true;
    let mut off = if counted { born.abs_diff(ever) } else { ever.saturating_sub(born) };
    off += 1u64.abs_diff(alive) + 1i64.abs_diff(tasks);
    let pop = objects.root(NAME).and_then(|(slot, _)| objects.pop(slot));
    let mut seen_tasks = Value::Null;
    if let Some(p) = pop {
        let seen = p.exits + p.pop.max(0) as u64;
        // A refused fork may have been registered and taken out again.
        off += (born + threads).saturating_sub(seen) + seen.saturating_sub(born + threads + refused);
        seen_tasks = seen.into();
    }
    let moved = |f: &dyn Fn(&killer_common::record::Global) -> u64| match (&before.1, &after.1) {
        (Some(b), Some(a)) => f(a) - f(b),
        _ => 0,
    };
    let status = ok(env, &["status", NAME, "-o", "json"])?.json();
    ok(env, &["-s", "KILL", NAME])?;
    if !service.live.eof_within(Duration::from_secs(10)) {
        return Err("the load survived its end".into());
    }
    ok(env, &["forget", NAME])?;
    Ok(json!({
        "tier": find(&status, &["tier"]).cloned().unwrap_or_default(),
        "workers": workers,
        "forks": forks,
        "threads": threads,
        "refused": refused,
        "seen": if counted { Value::from(ever) } else { Value::Null },
        "seen_tasks": seen_tasks,
        "skipped": after.0 - before.0,
        "late": pop.map_or(0, |p| p.misses),
        "indexed_by_walk": moved(&|g| g.walk_indexed),
        "settled_by_free": moved(&|g| g.freed).saturating_sub(refused),
        "exact": exact,
        "reported": reported,
        "reasons": claim["exactness"]["reasons"],
        "off": off,
        "silent": if exact { off } else { 0 },
    }))
}

/// Services that fork all the time, killed: how many had a survivor after "empty".
fn kill_rounds(env: &TestEnv, kills: u64, workers: usize) -> Result<u64, String> {
    let mut survivors = 0;
    for n in 0..kills {
        let path = env.path(&format!("kill{n}"));
        let tally = Tally::map(&path).map_err(|e| e.to_string())?;
        tally.begin(u64::MAX);
        let service = start(env, &path.to_string_lossy(), workers, 60)?;
        std::thread::sleep(Duration::from_millis(200 + 37 * (n % 8)));
        let out = ok(env, &["-s", "KILL", NAME, "-o", "json"])?;
        let receipt = out.json();
        let empty = receipt["empty"] == true && receipt["left"]["tasks"] == 0;
        if !empty || !service.live.eof_within(Duration::from_secs(5)) {
            survivors += 1;
            eprintln!("round {n}: {out}");
            tally.stop();
            let _ = service.live.eof_within(Duration::from_secs(5));
        }
        ok(env, &["forget", NAME])?;
        let _ = std::fs::remove_file(&path);
    }
    Ok(survivors)
}
