//! What the command itself costs, from the start of the program to its end.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::document::Figures;
use super::goals::Goal;
use super::sums::{both, least, median, ms};
use super::svg::{self, Bar, Group};
use super::trial::{NAME, Victims, wait_with_cpu};
use super::{Bench, Effort};
use crate::{interrupt, run};

/// Of another service, beside the ten that are signalled.
const FOREIGN: usize = 20_000;
/// How many rounds, for one of the effort.
const ROUNDS: usize = 100;

/// Milliseconds by the clock and of CPU.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
}

/// `killer -s TERM NAME` and `--version` against kill with ten PIDs.
pub fn figures(bench: &Bench, effort: Effort) -> Result<Figures> {
    eprintln!("command line");
    let title = "### The command, tracker pinned: ms\n\n";
    let Some(kill) = run::which("kill") else {
        return Ok(Figures::of(format!(
            "{title}Skipped: there is no kill program (apt-get install procps).\n\n"
        )));
    };
    let version = Command::new(&kill).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    run::quiet(&mut bench.killer(&["up"]))?;
    let victims = Victims::named(bench, Some(NAME), "stay", 10)?;
    let pids: Vec<String> = victims.pids.iter().map(i32::to_string).collect();
    let peer = || {
        let mut command = Command::new(&kill);
        command.arg("-TERM").args(&pids);
        command
    };
    let term = || bench.killer(&["-s", "TERM", NAME]);
    let rounds = ROUNDS * effort.rounds();
    let alone = interleaved(&[&peer, &peer, &term, &|| bench.killer(&["--version"])], rounds);
    // Others on the host, of a service of their own.
    let crowded = alone.as_ref().ok().map(|_| {
        let foreign = Victims::named(bench, Some("foreign"), "star", FOREIGN)?;
        let taken = interleaved(&[&peer, &term], rounds);
        foreign.discard(bench)?;
        taken
    });
    victims.discard(bench)?;
    Ok(told(&version, &alone?, crowded.transpose()))
}

/// Each one after the other, round after round.
fn interleaved(commands: &[&dyn Fn() -> Command], rounds: usize) -> Result<Vec<Vec<Took>>> {
    let mut all = vec![Vec::new(); commands.len()];
    for round in 0..rounds {
        interrupt::check()?;
        for step in 0..commands.len() {
            let i = (round + step) % commands.len();
            all[i].push(once(&mut commands[i]())?);
        }
    }
    Ok(all)
}

fn ratio(a: &[Took], b: &[Took], of: fn(&Took) -> f64) -> f64 {
    median(a.iter().zip(b).map(|(a, b)| of(a) / of(b)))
}

fn told(peer: &str, alone: &[Vec<Took>], crowded: Result<Option<Vec<Vec<Took>>>>) -> Figures {
    let [kill, again, term, version] = [0, 1, 2, 3].map(|i| &alone[i][..]);
    let mut text = String::from(
        "### The command, tracker pinned: ms\n\n| | median / least | CPU | ÷ kill | CPU ÷ |\n|---|---|---|---|---|\n",
    );
    let mut row = |name: &str, taken: &[Took], by: &[Took]| {
        text += &format!(
            "| {name} | {} | {} | {:.3} | {:.3} |\n",
            both(taken.iter().map(|t| t.wall)),
            both(taken.iter().map(|t| t.cpu)),
            ratio(taken, by, |t| t.wall),
            ratio(taken, by, |t| t.cpu)
        );
    };
    row(&format!("{peer}, ten PIDs"), kill, kill);
    row("the same again", again, kill);
    row("`killer -s TERM NAME`, ten members", term, kill);
    row("`killer --version`", version, kill);
    let chance = format!("`kill` ÷ itself {:.3}", ratio(again, kill, |t| t.wall));
    let of_kill = |what: &str, most, taken: &[Took]| {
        Goal::new(what, most, "× `kill`").figure("", ratio(taken, kill, |t| t.wall)).beside(chance.clone())
    };
    let mut goals = vec![of_kill("TERM to ten", 0.5, term), of_kill("`killer --version`", 0.25, version)];
    match crowded {
        Ok(Some(crowded)) => {
            let [kill_then, term_then] = [&crowded[0][..], &crowded[1][..]];
            row(&format!("`killer -s TERM NAME` beside {FOREIGN} foreign members"), term_then, kill_then);
            let more = ratio(term_then, kill_then, |t| t.wall) / ratio(term, kill, |t| t.wall);
            let goal = Goal::new(format!("the same beside {FOREIGN} foreign members"), 1.05, "×");
            goals.push(goal.figure("", more).beside("ratio of the ratios to `kill`"));
        }
        Ok(None) => {}
        Err(error) => text += &format!("\nBeside {FOREIGN} foreign members: skipped, {error:#}.\n"),
    }
    text.push('\n');
    let bar = |name: &str, taken: &[Took], ours| {
        let times = || taken.iter().map(|t| t.wall);
        Bar { name: name.into(), median: median(times()), least: least(times()), ours }
    };
    let bars = vec![
        bar(peer, kill, false),
        bar("killer -s TERM", term, true),
        bar("killer --version", version, true),
    ];
    let goal = Some(0.5 * median(kill.iter().map(|t| t.wall)));
    let group = Group { name: "TERM to ten processes".into(), bars, goal };
    let plot = svg::bars("From the start of the program to its end", "ms", &[group]);
    Figures { text, goals, plots: vec![("command", "What the command takes", plot)] }
}

fn once(command: &mut Command) -> Result<Took> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let (status, cpu) = wait_with_cpu(&mut child)?;
    let wall = begun.elapsed();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Took { wall: ms(wall), cpu: ms(cpu) })
}
