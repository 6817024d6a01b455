//! What the command needs for what it is asked most: system calls, page faults, instructions.

use std::collections::BTreeMap;

use anyhow::Result;

use super::limits::Kind;
use super::trace::{Unit, count, faults};
use crate::bench::Bench;
use crate::bench::trial::{NAME, Victims};
use crate::run;

/// Members of the only service.
const MEMBERS: usize = 10;
/// Page faults vary by a few from run to run.
const RUNS: usize = 20;
/// System calls do so in a command that looks again at what another process changes.
const COUNTS: usize = 3;
/// What every command does first; its instructions are counted, too. To count takes 15 µs for each, so longer ones are not.
const START: &[&str] = &["--version"];

/// Without a receipt, whose calls are by the number of the caller's ancestors, and whose page faults are by what is kept already.
const TERM: &[&str] = &["-s", "TERM", "--receipt=no", NAME];

const LINES: [&[&str]; 5] = [START, &["list"], &["status", NAME], &["-s", "0", NAME], TERM];

/// By what is counted, for a program that the limits call `program`.
pub fn figures(bench: &Bench, program: &str) -> Result<BTreeMap<String, Kind>> {
    run::quiet(&mut bench.killer(&["up"]))?;
    let victims = Victims::start(bench, "stay", MEMBERS, true)?;
    let mut all = BTreeMap::new();
    let measured = LINES.iter().try_for_each(|line| {
        let name = line.join(" ").replace(NAME, "NAME");
        let command = || bench.killer(line);
        let mut keep = |kind: &str, n| {
            let of_kind: &mut Kind = all.entry(kind.to_owned()).or_default();
            of_kind.entry(program.to_owned()).or_default().insert(name.clone(), n);
        };
        let calls = (0..COUNTS).map(|_| count(&command(), Unit::Calls)).collect::<Result<Vec<_>>>()?;
        keep("system calls", calls.into_iter().min().unwrap_or_default());
        keep("page faults", faults(&mut command(), RUNS)?);
        if *line == START {
            keep("instructions", count(&command(), Unit::Instructions)?);
        }
        anyhow::Ok(())
    });
    victims.discard(bench)?;
    run::quiet(&mut bench.killer(&["down", "--force"]))?;
    measured.map(|()| all)
}
