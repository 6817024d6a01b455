//! The end-to-end tests, two test programs at a time: most of a test is waiting, and an ending service needs no second processor.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;

use crate::reap;
use crate::run::{cargo, quiet, root};
use crate::tally::Tally;
use crate::test::Seen;
use crate::watched;

/// So many at a time.
const LANES: usize = 2;

/// Test programs that change what the whole host sees, or that are made to fill it: nothing else runs beside them.
const ALONE: [&str; 4] = ["limits", "ordeal", "selftest", "tiers"];

/// A test program.
struct Program {
    name: String,
    path: PathBuf,
}

/// The test programs of a package, built.
fn programs(package: &str) -> Result<Vec<Program>> {
    let mut build = cargo();
    build.args(["test", "--quiet", "--locked", "--no-run", "--message-format=json", "-p", package]);
    let out = quiet(build.current_dir(root()))?;
    let artifacts = out.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let programs = artifacts.filter(|a| a["profile"]["test"] == true).filter_map(|a| {
        let path = PathBuf::from(a["executable"].as_str()?);
        Some(Program { name: a["target"]["name"].as_str()?.to_owned(), path })
    });
    Ok(programs.collect())
}

/// Runs the test programs of a package against `killer` and counts.
pub fn run(package: &str, filter: Option<&str>, deadline: Instant, killer: &Path) -> Result<Tally> {
    let (alone, beside): (Vec<_>, Vec<_>) =
        programs(package)?.into_iter().partition(|p| ALONE.contains(&p.name.as_str()));
    let mut tally = Tally::default();
    for (programs, lanes) in [(beside, LANES), (alone, 1)] {
        let queue = Mutex::new(programs.into_iter());
        let counted = Mutex::new(Tally::default());
        let next = || queue.lock().unwrap_or_else(|e| e.into_inner()).next();
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    while let Some(p) = next() {
                        let one = program(&p, filter, deadline, killer).unwrap_or_else(|e| {
                            println!("FAILED: {}: {e:#}", p.name);
                            Tally::FAILED
                        });
                        *counted.lock().unwrap_or_else(|e| e.into_inner()) += one;
                    }
                });
            }
        });
        tally += counted.into_inner().unwrap_or_else(|e| e.into_inner());
    }
    Ok(tally)
}

/// One program to its end. What it says is shown when it has ended, so that the lines of two do not mix.
fn program(p: &Program, filter: Option<&str>, deadline: Instant, killer: &Path) -> Result<Tally> {
    let mut command = Command::new(&p.path);
    command.args(["--format", "pretty", "--color", "never"]).args(filter).current_dir(root().join("tests"));
    command.env("KILLER_BIN", killer).env("CARGO_MANIFEST_DIR", root().join("tests"));
    // Trackers that are as new are used again by all.
    command.env("KILLER_TESTS_OWNER", std::process::id().to_string());
    let began = Instant::now();
    let said = Mutex::new(Vec::new());
    let hear = |line: &str| said.lock().unwrap_or_else(|e| e.into_inner()).push(line.to_owned());
    let ended = watched::run(&mut reap::below(&command)?, deadline, &hear)?;
    let mut seen = Seen::default();
    for line in said.into_inner().unwrap_or_else(|e| e.into_inner()) {
        seen.show(&line);
    }
    if !ended.in_time {
        println!("FAILED: {}: the tests took too long", p.name);
    }
    println!("{}: {} s", p.name, began.elapsed().as_secs());
    Ok(seen.tally(ended.success && ended.in_time))
}
