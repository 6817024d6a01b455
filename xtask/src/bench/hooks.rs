//! What tracking costs: nanoseconds in the hooks for a fork and exit, and the whole of it by the clock.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::sums::{median, short};
use super::{Bench, bpf};
use crate::{interrupt, run};

/// Pairs of fork and exit in one measurement.
const PAIRS: usize = 3000;
/// Its service.
const NAME: &str = "forks";

/// Both.
pub fn table(bench: &Bench, rounds: usize) -> Result<String> {
    eprintln!("hooks");
    Ok(format!("{}{}", time_in_hooks(bench, 5 * rounds)?, by_the_clock(bench, 9 * rounds)?))
}

fn time_in_hooks(bench: &Bench, rounds: usize) -> Result<String> {
    let mut text = String::from("### Hooks, ns for a fork+exit pair (BPF's own statistics)\n\n");
    let statistics = match bpf::Statistics::on() {
        Ok(statistics) => statistics,
        Err(error) => return Ok(format!("{text}Skipped: {error:#}.\n\n")),
    };
    run::quiet(&mut bench.killer(&["up"]))?;
    let programs = bpf::pinned(&bench.pins)?;
    ensure!(!programs.is_empty(), "no pinned programs below {}", bench.pins.display());
    let (empty, _attached) = bpf::empty()?;
    let empty = [empty];
    let mut columns = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for tracked in [false, true] {
            let before = (bpf::runs(&programs), bpf::runs(&empty));
            forks(bench, "forks", tracked)?;
            let ours = bpf::runs(&programs).since(before.0);
            let nothing = bpf::runs(&empty).since(before.1);
            let base = nothing.time as f64 / nothing.count.max(1) as f64;
            // Of the runs of an empty program.
            let net = ours.time as f64 - base * ours.count as f64;
            columns[usize::from(tracked)].push((
                ours.time as f64 / PAIRS as f64,
                net / PAIRS as f64,
                ours.count as f64 / PAIRS as f64,
            ));
        }
    }
    drop(statistics);
    text += "| | untracked process | tracked process |\n|---|---|---|\n";
    let row = |name: &str, pick: fn(&(f64, f64, f64)) -> f64| {
        let [a, b] = [0, 1].map(|i| short(median(columns[i].iter().map(pick))));
        format!("| {name} | {a} | {b} |\n")
    };
    text += &row("all hooks", |c| c.0);
    text += &row("less as many runs of an empty program", |c| c.1);
    text += &row("runs of a hook", |c| c.2);
    text += "| goal | ≤ 110 | ≤ 1500 |\n\n";
    Ok(text)
}

fn by_the_clock(bench: &Bench, rounds: usize) -> Result<String> {
    let mut text = String::from("### fork+exit+wait by the clock, × without a tracker\n\n");
    text += "| | untracked process | tracked process |\n|---|---|---|\n";
    for (kind, goal) in [("vforks", "| goal (vfork) | ≤ 1.015 | ≤ 1.05 |\n"), ("forks", "")] {
        let mut ratios = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            let mut taken = [f64::NAN; 3];
            // Now this way round, now that: a machine that warms up or slows down favours nobody.
            let order = if round % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
            for state in order {
                match state {
                    0 => run::quiet(&mut bench.killer(&["down", "--force"]))?,
                    _ => run::quiet(&mut bench.killer(&["up"]))?,
                };
                // The kernel frees a tracker's maps some time later, on the same CPUs; and caches have to warm up.
                std::thread::sleep(Duration::from_millis(300));
                forks(bench, kind, state == 2)?;
                taken[state] = forks(bench, kind, state == 2)?;
            }
            ratios[0].push(taken[1] / taken[0]);
            ratios[1].push(taken[2] / taken[0]);
        }
        let [untracked, tracked] = ratios.map(median);
        text += &format!("| {} | {untracked:.3} | {tracked:.3} |\n{goal}", kind.trim_end_matches('s'));
    }
    text.push('\n');
    Ok(text)
}

/// Nanoseconds for all pairs, as the process itself has them.
fn forks(bench: &Bench, kind: &str, tracked: bool) -> Result<f64> {
    interrupt::check()?;
    let pairs = PAIRS.to_string();
    let mut command = match tracked {
        true => bench.killer(&["run", "--name", NAME, "--"]),
        false => Command::new(&bench.sleepers),
    };
    if tracked {
        command.arg(&bench.sleepers);
    }
    let out = command.args([kind, &pairs]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    said.trim().parse().with_context(|| format!("{kind}: {} {said} {error}", out.status))
}
