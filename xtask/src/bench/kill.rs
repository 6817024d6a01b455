//! Time until all are dead: `killer` against the usual ways, in rounds, so that neighbours can be compared.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::document::Figures;
use super::goals::Goal;
use super::sums::{both, least, median, ms, short};
use super::svg::{self, Bar, Group};
use super::trial::{Outcome, Victims, WRAPPED};
use super::ways::{How, Way, psutil};
use super::{Bench, Effort};
use crate::{interrupt, run};

/// Sizes with their rounds, and how long the rounds of one shape may take together.
const SIZES: [(usize, usize, Duration); 3] = [
    (10, 11, Duration::from_secs(15)),
    (1000, 7, Duration::from_secs(25)),
    (10_000, 5, Duration::from_secs(100)),
];
/// After so many rounds the others may end for want of time.
const LEAST_ROUNDS: usize = 2;
/// From here on the order in which they are signalled matters.
const MANY: usize = 1000;

/// A shape and size: the outcomes of each way.
struct Column {
    title: String,
    n: usize,
    outcomes: Vec<Vec<Outcome>>,
}

/// All shapes and sizes.
pub fn figures(bench: &Bench, effort: Effort, most: usize) -> Result<Figures> {
    eprintln!("kill");
    let (ways, mut text) = ways(bench);
    run::quiet(&mut bench.killer(&["up"]))?;
    let mut columns = Vec::new();
    for (n, rounds, limit) in SIZES.into_iter().filter(|(n, ..)| *n <= most) {
        for shape in ["star", "orphans", "chain", WRAPPED].into_iter().filter(|s| n >= MANY || *s != WRAPPED)
        {
            let outcomes =
                measure(bench, &ways, (shape, n), rounds * effort.rounds(), limit * effort.rounds() as u32)?;
            let title = if shape == WRAPPED { "orphans, PIDs wrap" } else { shape };
            columns.push(Column { title: title.into(), n, outcomes });
        }
        eprintln!("{n}");
    }
    for (n, ..) in SIZES {
        let of_size: Vec<&Column> = columns.iter().filter(|c| c.n == n).collect();
        if !of_size.is_empty() {
            text += &table(n, &ways, &of_size);
        }
    }
    text += "Median / least, and in brackets the median of the program's own CPU time; of `pkill` and psutil from one or two rounds. Ratios are medians of pairs of one round. The \
             time of a program holds its start, that of `cgroup.kill` does not. `cgroup.kill` again shows how much of a ratio is chance.\n\n";
    let goals = goals(&ways, &columns);
    let plot = svg::bars("Time until all are dead", "ms", &groups(&ways, &columns));
    Ok(Figures { text, goals, plots: vec![("kill", "Time until all are dead", plot)] })
}

/// Those that can be gone here, and a word for each that cannot.
fn ways(bench: &Bench) -> (Vec<Way>, String) {
    let mut text = String::from("### Time until all are dead (the program's own CPU), ms\n\n");
    let mut ways = vec![Way::tracked(How::Killer), Way::tracked(How::KillerPidfd)];
    match bench.cgroup {
        Some(_) => {
            let cgroup = Way::tracked(How::CgroupKill);
            ways.extend([cgroup.clone(), cgroup.again(), Way::untracked(How::CgroupKill)]);
        }
        None => text += "`cgroup.kill`: skipped, no cgroup v2 with cgroup.kill here.\n\n",
    }
    ways.extend([Way::tracked(How::KillProgram), Way::untracked(How::KillProgram)]);
    match run::have("pkill") {
        true => ways.push(Way::untracked(How::Pkill)),
        false => text += "`pkill`: skipped, not installed (apt-get install procps).\n\n",
    }
    match psutil() {
        Ok(python) => ways.push(Way::untracked(How::Psutil(python))),
        Err(error) => text += &format!("psutil: skipped, {error}.\n\n"),
    }
    (ways, text)
}

/// For each way its outcomes; each round begins with another one. Rounds end early, after the second, when they take too long.
fn measure(
    bench: &Bench,
    ways: &[Way],
    (shape, n): (&str, usize),
    rounds: usize,
    limit: Duration,
) -> Result<Vec<Vec<Outcome>>> {
    let mut all = vec![Vec::new(); ways.len()];
    let begun = Instant::now();
    // Of a way that takes long.
    let slow_rounds = if n > MANY { 1 } else { 2 };
    for round in 0..rounds {
        if round >= LEAST_ROUNDS && begun.elapsed() > limit {
            eprintln!("{shape} {n}: {round} rounds of {rounds}, for want of time");
            break;
        }
        for step in 0..ways.len() {
            let i = (round + step) % ways.len();
            if ways[i].is_slow() && round >= slow_rounds {
                continue;
            }
            let start = || Victims::start(bench, shape, n, ways[i].tracked);
            // Whatever else runs on the machine may have taken the PIDs that we want.
            let victims = start().or_else(|error| {
                eprintln!("once more in 10 s: {error:#}");
                std::thread::sleep(Duration::from_secs(10));
                interrupt::check().and_then(|()| start())
            })?;
            all[i].push(victims.end(bench, &ways[i])?);
        }
    }
    Ok(all)
}

fn table(n: usize, ways: &[Way], columns: &[&Column]) -> String {
    let mut text = format!("| {n} processes (rounds) |");
    columns.iter().for_each(|c| text += &format!(" {} ({}) |", c.title, c.outcomes[0].len()));
    text += &format!("\n|---|{}\n", "---|".repeat(columns.len()));
    for (i, way) in ways.iter().enumerate() {
        text += &format!("| {} |", way.name());
        columns.iter().for_each(|c| text += &format!(" {} |", cell(&c.outcomes[i])));
        text.push('\n');
    }
    for (a, b) in pairs(ways) {
        text += &format!("| **{} ÷ {}** |", ways[a].name(), ways[b].name());
        for c in columns {
            let [wall, cpu] = [wall(c, a, b), cpu(c, a, b)].map(short);
            text += &format!(" {wall} ({cpu}) |");
        }
        text.push('\n');
    }
    text + "\n"
}

/// Ways that are compared, by their places: ours with each quick one, and one with itself.
fn pairs(ways: &[Way]) -> Vec<(usize, usize)> {
    let others = |i: &usize| !ways[*i].is_ours() && !ways[*i].is_slow();
    let mut pairs: Vec<(usize, usize)> =
        (0..ways.len()).filter(|i| others(i) && !ways[*i].again).map(|i| (0, i)).collect();
    pairs.extend((0..ways.len()).filter(|i| ways[*i].again).map(|i| (i, i - 1)));
    pairs
}

fn cell(outcomes: &[Outcome]) -> String {
    let left = median(outcomes.iter().map(|o| o.left as f64));
    let cpu = short(median(outcomes.iter().map(|o| ms(o.cpu))));
    match left > 0.0 {
        true => format!("{left:.0} survive ({cpu})"),
        false => format!("{} ({cpu})", both(outcomes.iter().filter_map(|o| o.dead.map(ms)))),
    }
}

fn ratio(c: &Column, a: usize, b: usize, of: impl Fn(&Outcome) -> Option<f64>) -> f64 {
    median(c.outcomes[a].iter().zip(&c.outcomes[b]).filter_map(|(a, b)| Some(of(a)? / of(b)?)))
}

fn wall(c: &Column, a: usize, b: usize) -> f64 {
    ratio(c, a, b, |o| o.dead.map(ms))
}

fn cpu(c: &Column, a: usize, b: usize) -> f64 {
    ratio(c, a, b, |o| Some(ms(o.cpu)))
}

/// What is wanted of a kill.
fn goals(ways: &[Way], columns: &[Column]) -> Vec<Goal> {
    let place = |way: &Way| ways.iter().position(|w| w == way);
    let [killer, pidfd] = [How::Killer, How::KillerPidfd].map(|how| place(&Way::tracked(how)));
    let cgroup = place(&Way::tracked(How::CgroupKill));
    let untracked = place(&Way::untracked(How::CgroupKill));
    let program = place(&Way::tracked(How::KillProgram));
    let named = |c: &Column| format!("{} {}", c.title, c.n);
    let mut goals = Vec::new();
    let mut add = |goal: Goal,
                   a,
                   b: Option<usize>,
                   which: &dyn Fn(&Column) -> bool,
                   of: fn(&Column, usize, usize) -> f64| {
        let (Some(a), Some(b)) = (a, b) else { return };
        let some = columns.iter().filter(|c| which(c));
        let goal = some.clone().fold(goal, |goal, c| goal.figure(named(c), of(c, a, b)));
        let again = ways.iter().position(|w| w.again).filter(|_| Some(b) == cgroup);
        let chance = again.map(|i| some.map(|c| short(of(c, i, i - 1))).collect::<Vec<_>>().join(", "));
        goals.push(match chance {
            Some(chance) => goal.beside(format!("`cgroup.kill` ÷ itself {chance}")),
            None => goal,
        });
    };
    let many = |c: &Column| c.n >= MANY;
    let most = |c: &Column| c.n == 10_000;
    add(
        Goal::new("all dead, ÷ `cgroup.kill` on the same tracked set", 1.05, "×"),
        killer,
        cgroup,
        &many,
        wall,
    );
    add(
        Goal::new("all dead, ÷ `cgroup.kill` on an untracked set", 1.08, "×"),
        killer,
        untracked,
        &many,
        wall,
    );
    add(Goal::new("the same by pidfds (5.10 to 6.12), tracked", 1.3, "×"), pidfd, cgroup, &many, wall);
    add(
        Goal::new("a parent of thousands, ÷ `cgroup.kill`", 1.0, "×"),
        killer,
        cgroup,
        &|c| most(c) && c.title == "star",
        wall,
    );
    add(Goal::new("all dead, ten, ÷ `cgroup.kill`", 2.2, "×"), killer, cgroup, &|c| c.n == 10, wall);
    add(Goal::new("own CPU, ÷ a program that does kill(2)", 1.15, "×"), killer, program, &most, cpu);
    add(Goal::new("the same by pidfds", 2.2, "×"), pidfd, program, &most, cpu);
    goals
}

/// What the plot shows: the quick ways, on the largest sets.
fn groups(ways: &[Way], columns: &[Column]) -> Vec<Group> {
    let bars = |c: &Column| {
        let some = ways.iter().enumerate().filter(|(_, w)| !w.is_slow() && !w.again);
        let bar = |(i, way): (usize, &Way)| {
            let times = || c.outcomes[i].iter().filter_map(|o| o.dead.map(ms));
            Bar { name: way.name(), median: median(times()), least: least(times()), ours: way.is_ours() }
        };
        some.map(bar).collect()
    };
    let most = columns.iter().map(|c| c.n).max();
    let largest = columns.iter().filter(|c| Some(c.n) == most);
    largest.map(|c| Group { name: format!("{} {}", c.title, c.n), bars: bars(c), goal: None }).collect()
}
