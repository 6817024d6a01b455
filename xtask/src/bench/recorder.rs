//! What the recorder costs the host: a process that is forked, executes a program and ends, and a signal, by the clock, and a process in its
//! programs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::document::Figures;
use super::goals::Goal;
use super::sums::{both, least, median};
use super::{Bench, bpf};
use crate::{interrupt, run};

/// Processes in one measurement.
const RUNS: u32 = 400;
/// What each executes.
const PROGRAM: &str = "/bin/true";
/// Signals in one measurement.
const SIGNALS: u32 = 20_000;
/// What is recorded of strangers, and the words that ask for it: nothing twice, to show what is chance.
const STATES: [(&str, &str); 4] =
    [("off", "off"), ("off, again", "off"), ("services", "services"), ("all", "all")];
/// Programs of the recorder for a process.
const PROGRAMS: [&str; 3] = ["on_record_fork", "on_record_exec", "on_record_exit"];

/// All of them.
pub fn figures(bench: &Bench, rounds: usize) -> Result<Figures> {
    eprintln!("recorder");
    run::quiet(&mut bench.killer(&["up"]))?;
    let mut text = format!("### fork+exec+wait of `{PROGRAM}` by a stranger, × with nothing recorded\n\n");
    let all = by_the_clock(bench, 15 * rounds, &mut text, runs)?;
    let goal = Goal::new("fork+exec+wait with all of the host recorded", 1.03, "×").figure("", all);
    text += "### A signal that a shell sends to itself and handles, × with nothing recorded\n\n";
    by_the_clock(bench, 5 * rounds, &mut text, signals)?;
    text += "### The recorder's programs, ns for a process (BPF's own statistics, less an empty program)\n\n";
    in_programs(bench, 5 * rounds, &mut text)?;
    run::quiet(&mut bench.killer(&["up", "--lineage=off"]))?;
    Ok(Figures { text, goals: vec![goal], plots: Vec::new() })
}

/// Answers how much longer it takes with all of the host recorded.
fn by_the_clock(
    bench: &Bench,
    rounds: usize,
    text: &mut String,
    what: fn() -> Result<Duration>,
) -> Result<f64> {
    let mut ratios = [const { Vec::new() }; STATES.len()];
    for round in 0..rounds {
        let mut taken = [f64::NAN; STATES.len()];
        // Now this way round, now that: a machine that warms up or slows down favours nobody.
        for step in 0..STATES.len() {
            let state = if round % 2 == 0 { step } else { STATES.len() - 1 - step };
            record(bench, STATES[state].1)?;
            taken[state] = what()?.as_secs_f64();
        }
        ratios.iter_mut().zip(taken).for_each(|(all, t)| all.push(t / taken[0]));
    }
    let heads = STATES[1..].iter().map(|s| format!(" `--lineage={}` |", s.0)).collect::<String>();
    *text += &format!(
        "|{}\n|{}\n|",
        heads.replace("=off, again`", "=off`, again"),
        "---|".repeat(STATES.len() - 1)
    );
    for r in &ratios[1..] {
        *text += &format!(" {:.3} / {:.3} |", median(r.iter().copied()), least(r.iter().copied()));
    }
    *text += "\n\nMedian / least of ratios. The first column shows how much is chance.\n\n";
    Ok(median(ratios[STATES.len() - 1].iter().copied()))
}

fn in_programs(bench: &Bench, rounds: usize, text: &mut String) -> Result<()> {
    let _statistics = match bpf::Statistics::on() {
        Ok(on) => on,
        Err(error) => {
            *text += &format!("Skipped: {error:#}.\n\n");
            return Ok(());
        }
    };
    let heads: String = PROGRAMS.iter().map(|p| format!(" `{p}` |")).collect();
    *text += &format!("| of a stranger |{heads}\n|---|{}\n", "---|".repeat(PROGRAMS.len()));
    for of in ["services", "all"] {
        record(bench, of)?;
        let all: String = times(bench, rounds)?.into_iter().map(|t| format!(" {} |", both(t))).collect();
        *text += &format!("| `--lineage={of}` |{all}\n");
    }
    *text += "\nMedian / least.\n\n";
    Ok(())
}

/// What each of them takes for a process, ns.
fn times(bench: &Bench, rounds: usize) -> Result<Vec<Vec<f64>>> {
    let (empty, _attached) = bpf::empty()?;
    let empty = [empty];
    let progs = bench.pins.join("v1/progs");
    let programs = PROGRAMS.iter().map(|p| bpf::pin(&progs.join(p))).collect::<Result<Vec<_>>>()?;
    let mut times = vec![Vec::new(); PROGRAMS.len()];
    for _ in 0..rounds {
        let before: Vec<_> = programs.iter().map(|p| bpf::runs(std::slice::from_ref(p))).collect();
        let nothing = bpf::runs(&empty);
        runs()?;
        let nothing = bpf::runs(&empty).since(nothing);
        let base = nothing.time as f64 / nothing.count.max(1) as f64;
        for ((p, before), times) in programs.iter().zip(before).zip(times.iter_mut()) {
            let ours = bpf::runs(std::slice::from_ref(p)).since(before);
            times.push((ours.time as f64 - base * ours.count as f64) / f64::from(RUNS));
        }
    }
    Ok(times)
}

fn record(bench: &Bench, of: &str) -> Result<()> {
    run::quiet(&mut bench.killer(&["-q", "up", &format!("--lineage={of}")]))?;
    // The kernel frees what was recorded some time later, on the same CPUs.
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// As many strangers, one after the other.
fn runs() -> Result<Duration> {
    interrupt::check()?;
    let begun = Instant::now();
    for _ in 0..RUNS {
        let status = Command::new(Path::new(PROGRAM)).stdin(Stdio::null()).status().context(PROGRAM)?;
        ensure!(status.success(), "{PROGRAM}: {status}");
    }
    Ok(begun.elapsed())
}

/// As many signals, with a handler.
fn signals() -> Result<Duration> {
    interrupt::check()?;
    let script = format!("trap : USR1; i=0; while [ $i -lt {SIGNALS} ]; do kill -USR1 $$; i=$((i+1)); done");
    let begun = Instant::now();
    let status = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status().context("sh")?;
    ensure!(status.success(), "sh: {status}");
    Ok(begun.elapsed())
}
