//! What tracking costs: nanoseconds in the hooks for a fork and exit, and the whole of it by the clock.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::document::Figures;
use super::goals::Goal;
use super::sums::{self, both, least, median, short};
use super::svg::{self, Bar, Group};
use super::{Bench, Effort, bpf};
use crate::{interrupt, run};

/// Pairs of fork and exit in one measurement.
const PAIRS: usize = 3000;
/// Its service.
const NAME: &str = "forks";

/// What is measured: the program's kind, where the child ends, tracked, the goal.
const COLUMNS: [(&str, &str, &str, bool, Option<f64>); 5] = [
    ("untracked, fork", "forks", "same", false, Some(150.0)),
    ("untracked, vfork", "vforks", "same", false, Some(45.0)),
    ("tracked, fork", "forks", "same", true, Some(900.0)),
    ("tracked, vfork", "vforks", "same", true, None),
    ("tracked, the child ends on another CPU", "forks", "other", true, Some(1700.0)),
];

/// Both.
pub fn figures(bench: &Bench, effort: Effort) -> Result<Figures> {
    eprintln!("hooks");
    let mut figures = time_in_hooks(bench, 7 * effort.rounds())?;
    figures.text += &by_the_clock(bench, 9 * effort.rounds())?;
    Ok(figures)
}

/// One measurement: of each program the time, ns, and the runs, for a pair.
#[derive(Clone, Debug)]
struct Pairs {
    each: Vec<(f64, f64)>,
    /// A run of an empty program, ns.
    empty: f64,
}

impl Pairs {
    fn time(&self) -> f64 {
        self.each.iter().map(|(time, _)| time).sum()
    }

    fn runs(&self) -> f64 {
        self.each.iter().map(|(_, runs)| runs).sum()
    }
}

/// Of the measurements of a column: less as many runs of an empty program, of all or of one program. A run of the empty one is
/// the same for all: one that was interrupted says nothing.
fn net(pairs: &[Pairs], program: Option<usize>) -> Vec<f64> {
    let empty = median(pairs.iter().map(|p| p.empty));
    let one = |p: &Pairs| program.map_or_else(|| (p.time(), p.runs()), |i| p.each[i]);
    pairs.iter().map(one).map(|(time, runs)| time - empty * runs).collect()
}

/// True of a program that runs at most pairs.
fn runs(pairs: &[Pairs], program: usize) -> bool {
    pairs.iter().any(|p| p.each[program].1 > 0.5)
}

type Columns = [Vec<Pairs>; COLUMNS.len()];

/// The programs' names, and every column.
fn measured(bench: &Bench, rounds: usize) -> Result<(Vec<String>, Columns)> {
    let _on = bpf::Statistics::on()?;
    attached(bench)?;
    let (names, programs): (Vec<_>, Vec<_>) = bpf::pinned(&bench.pins)?.into_iter().unzip();
    ensure!(!programs.is_empty(), "no pinned programs below {}", bench.pins.display());
    let (empty, _attached) = bpf::empty()?;
    let empty = [empty];
    let each = || programs.iter().map(|p| bpf::runs(std::slice::from_ref(p))).collect::<Vec<_>>();
    let mut columns = Columns::default();
    for _ in 0..rounds {
        for ((_, kind, place, tracked, _), pairs) in COLUMNS.iter().zip(&mut columns) {
            let before = (each(), bpf::runs(&empty));
            forks(bench, &[kind, &PAIRS.to_string(), place], *tracked)?;
            let nothing = bpf::runs(&empty).since(before.1);
            let of_one = |sum: u64| sum as f64 / PAIRS as f64;
            let since = each().into_iter().zip(before.0).map(|(now, before)| now.since(before));
            let each = since.map(|r| (of_one(r.time), of_one(r.count))).collect();
            pairs.push(Pairs { each, empty: nothing.time as f64 / nothing.count.max(1) as f64 });
        }
    }
    Ok((names, columns))
}

fn time_in_hooks(bench: &Bench, rounds: usize) -> Result<Figures> {
    let mut text = String::from("### Hooks, ns for a fork+exit pair (BPF's own statistics)\n\n");
    if let Err(error) = bpf::Statistics::on() {
        return Ok(Figures::of(format!("{text}Skipped: {error:#}.\n\n")));
    }
    let (names, columns) = measured(bench, rounds)?;
    let heads = COLUMNS.map(|c| format!(" {} |", c.0)).concat();
    text += &format!("| |{heads}\n|---|{}\n", "---|".repeat(COLUMNS.len()));
    let row = |name: &str, cell: &dyn Fn(&[Pairs]) -> String| {
        format!("| {name} |{}\n", columns.each_ref().map(|p| format!(" {} |", cell(p))).concat())
    };
    text += &row("all hooks", &|p| both(p.iter().map(Pairs::time)));
    text += &row("less as many runs of an empty program", &|p| both(net(p, None)));
    for (i, name) in names.iter().enumerate() {
        if columns.iter().any(|pairs| runs(pairs, i)) {
            text += &row(&format!("of that `{name}`"), &|p| both(net(p, Some(i))));
        }
    }
    text += &row("runs of a hook", &|p| short(median(p.iter().map(Pairs::runs))));
    text += "\nMedian / least. Parent and child have one CPU, but for the last column.\n\n";
    let (goals, groups) = goals(&names, &columns);
    let plot = svg::bars("Hooks of a pair of fork and exit, less an empty program", "ns", &groups);
    Ok(Figures { text, goals, plots: vec![("hooks", "What hooks cost a pair of fork and exit", plot)] })
}

fn goals(names: &[String], columns: &Columns) -> (Vec<Goal>, Vec<Group>) {
    let (mut goals, mut groups) = (Vec::new(), Vec::new());
    for ((name, _, _, _, goal), pairs) in COLUMNS.into_iter().zip(columns) {
        let [median, least] = [median(net(pairs, None)), least(net(pairs, None))];
        if let Some(goal) = goal {
            let goal = Goal::new(format!("hooks of a pair, {name}, net"), goal, "ns");
            goals.push(goal.figure("", median).beside(format!("least {}", short(least))));
        }
        let mut bars = vec![Bar { name: "all hooks".into(), median, least, ours: true }];
        for (i, name) in names.iter().enumerate().filter(|(i, _)| runs(pairs, *i)) {
            let net = net(pairs, Some(i));
            bars.push(Bar {
                name: name.clone(),
                median: sums::median(net.clone()),
                least: sums::least(net),
                ours: false,
            });
        }
        groups.push(Group { name: name.into(), bars, goal });
    }
    (goals, groups)
}

/// States of a round: without a tracker, the same again, with one, as a member.
const STATES: usize = 4;

fn by_the_clock(bench: &Bench, rounds: usize) -> Result<String> {
    let mut text = String::from("### fork+exit+wait by the clock, × without a tracker\n\n");
    text += "| | without, again | untracked process | tracked process |\n|---|---|---|---|\n";
    for kind in ["vforks", "forks"] {
        let mut ratios = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..rounds {
            let mut taken = [f64::NAN; STATES];
            // Now this way round, now that: a machine that warms up or slows down favours nobody.
            for step in 0..STATES {
                let state = if round % 2 == 0 { step } else { STATES - 1 - step };
                match state {
                    0 | 1 => run::quiet(&mut bench.killer(&["down", "--force"]))?,
                    _ => attached(bench)?,
                };
                // The kernel frees a tracker's maps some time later, on the same CPUs; and caches have to warm up.
                std::thread::sleep(Duration::from_millis(300));
                let line = [kind, &PAIRS.to_string()];
                forks(bench, &line, state == 3)?;
                taken[state] = forks(bench, &line, state == 3)?;
            }
            ratios.iter_mut().zip(&taken[1..]).for_each(|(all, taken_so)| all.push(taken_so / taken[0]));
        }
        let cells = ratios.map(|r| format!("{:.3} / {:.3}", median(r.iter().copied()), least(r)));
        text += &format!("| {} | {} |\n", kind.trim_end_matches('s'), cells.join(" | "));
    }
    text += "\nMedian / least of ratios. The first column shows how much is chance.\n\n";
    Ok(text)
}

/// Nanoseconds for all pairs, as the process itself has them.
fn forks(bench: &Bench, line: &[&str], tracked: bool) -> Result<f64> {
    interrupt::check()?;
    let mut command = match tracked {
        true => bench.killer(&["run", "--name", NAME, "--"]),
        false => Command::new(&bench.sleepers),
    };
    if tracked {
        command.arg(&bench.sleepers);
    }
    let out = command.args(line).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    said.trim().parse().with_context(|| format!("{line:?}: {} {said} {error}", out.status))
}

/// A tracker whose hooks are attached, as they are from the first service on. Answers what the command printed.
fn attached(bench: &Bench) -> Result<String> {
    run::quiet(&mut bench.killer(&["run", "--name", "first", "--", "true"]))
}
