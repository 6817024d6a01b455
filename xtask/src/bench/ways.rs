//! Time until all are dead: `killer` against the usual ways.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Bench;
use super::sums::{median, ms, short};
use super::trial::{Ending, NAME, Outcome, Victims, WRAPPED, own_cpu};
use crate::{interrupt, run, tools};

/// A way to end a set of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The kernel's own.
    CgroupKill,
    /// kill(2) over an array that was known before.
    KillLoop,
    /// This project.
    Killer,
    /// By name.
    Pkill,
    /// Children, recursively; with this Python.
    Psutil(PathBuf),
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Way::CgroupKill => "`cgroup.kill`",
            Way::KillLoop => "kill(2) on a known array",
            Way::Killer => "`killer -s KILL`",
            Way::Pkill => "`pkill -KILL -x`",
            Way::Psutil(_) => "psutil children(recursive)",
        }
    }

    /// Reaches everybody, so that one may wait for long.
    pub fn thorough(&self) -> bool {
        !matches!(self, Way::Psutil(_))
    }

    /// Starts to end them.
    pub fn begin(&self, bench: &Bench, pids: &[i32]) -> Result<Ending> {
        let before = own_cpu();
        let mut command = match self {
            Way::CgroupKill => {
                let dir = bench.cgroup.as_ref().expect("asked for only where there is one");
                std::fs::write(dir.join("cgroup.kill"), "1")?;
                return Ok(Ending::Own(own_cpu() - before));
            }
            Way::KillLoop => {
                for pid in pids {
                    let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
                }
                return Ok(Ending::Own(own_cpu() - before));
            }
            Way::Killer => bench.killer(&["-s", "KILL", NAME]),
            Way::Pkill => {
                let mut command = Command::new("pkill");
                command.args(["-KILL", "-x"]).arg(bench.sleepers.file_name().expect("a name"));
                command
            }
            Way::Psutil(python) => {
                let root = pids.first().expect("victims");
                let mut command = Command::new(python);
                command.args(["-c", PSUTIL, &root.to_string()]);
                command
            }
        };
        Ok(Ending::Program(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }
}

const PSUTIL: &str = "import psutil, sys
root = psutil.Process(int(sys.argv[1]))
for p in root.children(recursive=True) + [root]:
    try: p.kill()
    except psutil.NoSuchProcess: pass";

/// All shapes and sizes.
pub fn table(bench: &Bench, rounds: usize, most: usize) -> Result<String> {
    let mut text = String::from("### Time until all are dead (the program's own CPU), ms\n\n");
    let mut ways = vec![Way::Killer, Way::KillLoop];
    match bench.cgroup {
        Some(_) => ways.insert(0, Way::CgroupKill),
        None => text += "`cgroup.kill`: skipped, no cgroup v2 with cgroup.kill here.\n\n",
    }
    match run::have("pkill") {
        true => ways.push(Way::Pkill),
        false => text += "`pkill`: skipped, not installed (apt-get install procps).\n\n",
    }
    match psutil() {
        Ok(python) => ways.push(Way::Psutil(python)),
        Err(error) => text += &format!("psutil: skipped, {error}.\n\n"),
    }
    run::quiet(&mut bench.killer(&["up"]))?;

    let mut columns = Vec::new();
    for (n, trials) in [(10, 11), (1000, 5), (10_000, 3)].into_iter().filter(|(n, _)| *n <= most) {
        for shape in ["star", "orphans", "chain", WRAPPED].into_iter().filter(|s| n > 10 || *s != WRAPPED) {
            let outcomes = measure(bench, &ways, shape, n, trials * rounds)?;
            let cells: Vec<String> = outcomes.iter().map(|o| cell(o)).collect();
            eprintln!("{shape} {n}: {}", cells.join(", "));
            let title = if shape == WRAPPED { "orphans, PIDs wrap" } else { shape };
            columns.push((format!("{title} {n}"), outcomes));
        }
    }
    text += "| |";
    columns.iter().for_each(|(title, _)| text += &format!(" {title} |"));
    text += &format!("\n|---|{}\n", "---|".repeat(columns.len()));
    for (i, way) in ways.iter().enumerate() {
        text += &format!("| {} |", way.name());
        columns.iter().for_each(|(_, outcomes)| text += &format!(" {} |", cell(&outcomes[i])));
        text.push('\n');
    }
    // What the goals speak of.
    for (over, under) in
        [("`killer` ÷ `cgroup.kill`", Way::CgroupKill), ("`killer` ÷ kill(2)", Way::KillLoop)]
    {
        let killer = ways.iter().position(|w| *w == Way::Killer);
        if let (Some(a), Some(b)) = (killer, ways.iter().position(|w| *w == under)) {
            text += &format!("| **{over}** |");
            columns
                .iter()
                .for_each(|(_, outcomes)| text += &format!(" {} |", ratio(&outcomes[a], &outcomes[b])));
            text.push('\n');
        }
    }
    text += "\nGoals: ≤ 1.10 × `cgroup.kill` at 10,000 (star, chain); CPU ≤ 2 × the kill(2) loop at 10,000. The time of \
             `killer`, `pkill` and psutil holds the start of the program, that of `cgroup.kill` and kill(2) does not.\n\n";
    Ok(text)
}

fn cell(outcomes: &[Outcome]) -> String {
    let left = median(outcomes.iter().map(|o| o.left as f64));
    let cpu = short(median(outcomes.iter().map(|o| ms(o.cpu))));
    match left > 0.0 {
        true => format!("{left:.0} survive ({cpu})"),
        false => format!("{} ({cpu})", short(median(outcomes.iter().filter_map(|o| o.dead.map(ms))))),
    }
}

fn ratio(ours: &[Outcome], theirs: &[Outcome]) -> String {
    let pairs = || ours.iter().zip(theirs);
    let wall = pairs().filter_map(|(a, b)| Some(ms(a.dead?) / ms(b.dead?)));
    let cpu = pairs().map(|(a, b)| ms(a.cpu) / ms(b.cpu));
    format!("{} ({})", short(median(wall)), short(median(cpu)))
}

/// For each way its outcomes; round after round, so that neighbours can be compared.
fn measure(bench: &Bench, ways: &[Way], shape: &str, n: usize, trials: usize) -> Result<Vec<Vec<Outcome>>> {
    let mut all = vec![Vec::new(); ways.len()];
    for round in 0..trials {
        for step in 0..ways.len() {
            // Each round begins with another way.
            let i = (round + step) % ways.len();
            let start = || Victims::start(bench, shape, n, ways[i] == Way::Killer);
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

/// A Python with psutil: the system's, or one of our own.
fn psutil() -> Result<PathBuf> {
    let works = |python: &PathBuf| {
        let try_it = Command::new(python).args(["-c", "import psutil"]).stderr(Stdio::null()).status();
        try_it.is_ok_and(|s| s.success())
    };
    let system = PathBuf::from("python3");
    if works(&system) {
        return Ok(system);
    }
    let venv = tools::cache()?.join("psutil");
    let own = venv.join("bin/python3");
    if !works(&own) {
        anyhow::ensure!(run::have("python3"), "no python3 (apt-get install python3-psutil)");
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).output();
        let got =
            made.and_then(|_| Command::new(venv.join("bin/pip")).args(["install", "-q", "psutil"]).output());
        anyhow::ensure!(
            got.is_ok() && works(&own),
            "pip has no psutil here (apt-get install python3-psutil)"
        );
    }
    // The program itself, past any wrapper: its start is part of the time.
    let real = Command::new(&own).args(["-c", "import sys; print(sys.executable)"]).output()?;
    Ok(PathBuf::from(String::from_utf8_lossy(&real.stdout).trim()))
}
