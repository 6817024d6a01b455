//! What it takes to look at ten thousand members, to load a tracker, and the memory that the kernel has for it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::document::Figures;
use super::goals::Goal;
use super::sums::{both, median, ms, short};
use super::trial::{NAME, Victims};
use super::{Bench, Effort, bpf};
use crate::{interrupt, run};

const MEMBERS: usize = 10_000;
/// Lines, and what they may take: ms.
const LINES: [(&[&str], Option<f64>); 6] = [
    (&["list"], Some(3.0)),
    (&["status", NAME], Some(30.0)),
    (&["tree", NAME], Some(60.0)),
    (&["-o", "json", "status", NAME], None),
    (&["verify", NAME], None),
    (&["-s", "0", NAME], None),
];
/// What `up` may take, ms.
const UP: f64 = 130.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Everything.
pub fn figures(bench: &Bench, effort: Effort) -> Result<Figures> {
    eprintln!("reading");
    let mut figures = Figures::default();
    up(bench, effort, &mut figures)?;
    memory(bench, &mut figures)?;
    let victims = Victims::start(bench, "star", MEMBERS, true)?;
    let looked = looks(bench, effort, &mut figures);
    victims.discard(bench)?;
    looked?;
    Ok(figures)
}

fn timed(bench: &Bench, line: &[&str]) -> Result<f64> {
    interrupt::check()?;
    let begun = Instant::now();
    run::quiet(&mut bench.killer(line))?;
    Ok(ms(begun.elapsed()))
}

fn up(bench: &Bench, effort: Effort, figures: &mut Figures) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 * effort.rounds() {
        run::quiet(&mut bench.killer(&["down", "--force"]))?;
        // The kernel frees a tracker's maps some time later, on the same CPUs.
        std::thread::sleep(Duration::from_millis(300));
        times.push(timed(bench, &["up"])?);
    }
    let said = both(times.iter().copied());
    figures.text += &format!("### `up`, ms\n\n{said} (median / least of {}, after `down`).\n\n", times.len());
    figures
        .goals
        .push(Goal::new("`up`", UP, "ms").figure("", median(times)).beside("nothing of it is cached"));
    Ok(())
}

/// What the large maps hold, and why they are as large.
const HELD: [(&str, &str); 5] = [
    (
        "ANCESTORS",
        "the dead that somebody alive descends from: nothing pushes them out, so there is a place for 32,768",
    ),
    ("BIRTHS", "a member, by its task"),
    ("ENDING", "32,768 of those that end just now, by their number"),
    ("DEAD", "the last 3072 of the other dead"),
    ("REASONS", "what may have made a set incomplete, for 1024 services"),
];

/// Every map by its size, and all programs together.
fn memory(bench: &Bench, figures: &mut Figures) -> Result<()> {
    let mut all = bpf::memory_of_each(&bench.pins)?;
    all.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let sum: u64 = all.iter().map(|(_, bytes)| bytes).sum();
    let mib = |bytes: u64| format!("{:.2}", bytes as f64 / MIB);
    figures.text += &format!(
        "### Memory of maps and programs (`memlock` of their fdinfo)\n\n| | MiB | holds |\n|---|---|---|\n| all | {} | |\n",
        mib(sum)
    );
    let (large, small): (Vec<_>, Vec<_>) = all.iter().partition(|(_, bytes)| *bytes as f64 >= MIB / 2.0);
    for (name, bytes) in &large {
        let held = HELD.iter().find(|(n, _)| n == name).map_or("", |(_, held)| held);
        figures.text += &format!("| `{name}` | {} | {held} |\n", mib(*bytes));
    }
    let rest: u64 = small.iter().map(|(_, bytes)| bytes).sum();
    figures.text += &format!("| {} others | {} | |\n\n", small.len(), mib(rest));
    let goal = Goal::new("memory at this `pid_max`", 8.0, "MiB").figure("", sum as f64 / MIB);
    let most: Vec<String> =
        large.iter().take(3).map(|(name, bytes)| format!("`{name}` {}", mib(*bytes))).collect();
    figures.goals.push(goal.beside(most.join(", ")));
    Ok(())
}

fn looks(bench: &Bench, effort: Effort, figures: &mut Figures) -> Result<()> {
    let mut times = vec![Vec::new(); LINES.len()];
    for _ in 0..7 * effort.rounds() {
        for ((line, _), times) in LINES.iter().zip(&mut times) {
            times.push(timed(bench, line)?);
        }
    }
    figures.text +=
        &format!("### A service of {MEMBERS} members is looked at, ms\n\n| | median / least |\n|---|---|\n");
    for ((line, most), times) in LINES.iter().zip(times) {
        let words = format!("`{}`", line.join(" ").replace(NAME, "NAME"));
        figures.text += &format!("| {words} | {} |\n", both(times.iter().copied()));
        if let Some(most) = most {
            let least = short(super::sums::least(times.iter().copied()));
            let goal = Goal::new(format!("{words}, {MEMBERS} members"), *most, "ms");
            figures.goals.push(goal.figure("", median(times)).beside(format!("least {least}")));
        }
    }
    figures.text.push('\n');
    Ok(())
}
