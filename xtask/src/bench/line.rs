//! A signal to a service of ten processes, from the start of the program to its end.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::Bench;
use super::sums::{median, ms, short};
use super::trial::{NAME, Victims, wait_with_cpu};
use crate::{interrupt, run};

/// `killer -s TERM NAME` against kill with ten PIDs.
pub fn table(bench: &Bench, rounds: usize) -> Result<String> {
    eprintln!("command line");
    let Some(kill) = run::which("kill") else {
        return Ok(
            "### `killer -s TERM NAME`\n\nSkipped: there is no kill program (apt-get install procps).\n\n"
                .into(),
        );
    };
    let version = Command::new(&kill).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    run::quiet(&mut bench.killer(&["up"]))?;
    let victims = Victims::start(bench, "stay", 10, true)?;
    let pids: Vec<String> = victims.pids.iter().map(i32::to_string).collect();
    let mut taken = Vec::new();
    let measured = (|| {
        for _ in 0..100 * rounds {
            interrupt::check()?;
            let ours = once(&mut bench.killer(&["-s", "TERM", NAME]))?;
            let theirs = once(Command::new(&kill).arg("-TERM").args(&pids))?;
            taken.push((ours, theirs));
        }
        anyhow::Ok(())
    })();
    victims.discard(bench)?;
    measured?;
    let ratio = |pick: fn(&Took) -> f64| short(median(taken.iter().map(|(a, b)| pick(a) / pick(b))));
    let ours = |pick: fn(&Took) -> f64| short(median(taken.iter().map(|(a, _)| pick(a))));
    let theirs = |pick: fn(&Took) -> f64| short(median(taken.iter().map(|(_, b)| pick(b))));
    Ok(format!(
        "### TERM to ten processes, tracker pinned: ms (CPU)\n\n| `killer -s TERM NAME` | {version}, ten PIDs | ratio | \
         goal |\n|---|---|---|---|\n| {} ({}) | {} ({}) | {} ({}) | ≤ 0.9 |\n\n",
        ours(|t| t.wall),
        ours(|t| t.cpu),
        theirs(|t| t.wall),
        theirs(|t| t.cpu),
        ratio(|t| t.wall),
        ratio(|t| t.cpu)
    ))
}

/// Milliseconds by the clock and of CPU.
struct Took {
    wall: f64,
    cpu: f64,
}

fn once(command: &mut Command) -> Result<Took> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let (status, cpu) = wait_with_cpu(&mut child)?;
    let wall = begun.elapsed();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Took { wall: ms(wall), cpu: ms(cpu) })
}
