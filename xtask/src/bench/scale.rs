//! Large hosts: what a tracker takes in memory, and what the command takes of time and memory with many members and services.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::sums::{both, median, ms, short};
use super::trial::{NAME, Victims};
use super::ways::{How, Way};
use super::{Bench, bpf};
use crate::guard::trace;
use crate::{interrupt, run};

const PID_MAX: &str = "/proc/sys/kernel/pid_max";
const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";
/// The most that Linux has on 64 bit machines (`include/linux/threads.h`: `PID_MAX_LIMIT`).
const PID_LIMIT: u64 = 4 << 20;
/// In one service. The numbers of this host have to do for them and for everybody else.
const MEMBERS: usize = 30_000;
/// That are left for everybody else.
const SPARE: u64 = 2000;
/// Services that have ended, and those that live.
const ENDED: usize = 10_000;
const LIVE: usize = 1000;
const MIB: f64 = 1024.0 * 1024.0;

/// Everything.
pub fn table(bench: &Bench, rounds: usize) -> Result<String> {
    eprintln!("scale");
    let mut text = String::from("### Scale\n\n");
    text += &members(bench, rounds)?;
    text += &services(bench)?;
    Ok(text)
}

/// Numbers as this host has them, and 4 Mi.
fn members(bench: &Bench, rounds: usize) -> Result<String> {
    let now = number(PID_MAX)?;
    let n = MEMBERS.min(now.saturating_sub(SPARE) as usize);
    let columns = [now, PID_LIMIT].into_iter().map(|most| column(bench, most, n, rounds));
    let [here, most] = columns.collect::<Result<Vec<_>>>()?.try_into().ok().context("two columns")?;
    let mut text = format!("| {n} members | `pid_max` {now} | {PID_LIMIT} |\n|---|---|---|\n");
    for ((what, a), (_, b)) in here.rows.iter().zip(&most.rows) {
        text += &format!("| {what} | {a} | {b} |\n");
    }
    text += &format!(
        "| memory of its maps and programs, MiB | {} | {} |\n",
        short(here.memory),
        short(most.memory)
    );
    let computed =
        |pids: u64| 165.0 * pids.min(number(THREADS_MAX).unwrap_or(pids)) as f64 + 20.0 * pids as f64;
    let goals = [now, PID_LIMIT].map(|p| short(computed(p) / MIB));
    text += &format!(
        "| goal for it (165 B × min(`pid_max`, `threads-max`) + 20 B × `pid_max`), MiB | {} | {} |\n\n",
        goals[0], goals[1]
    );
    text += "Milliseconds (MiB that the command had in memory at most). With 4 Mi only the tracker is as large as that: the members' \
             numbers lie below the host's own `pid_max`, which is put back before they are forked, so that nothing else on the host \
             gets a number that its own tools do not expect.\n\n";
    Ok(text)
}

/// What was measured for one tracker.
struct Column {
    rows: Vec<(String, String)>,
    memory: f64,
}

fn column(bench: &Bench, pid_max: u64, n: usize, rounds: usize) -> Result<Column> {
    let (up, memory) = up(bench, pid_max, rounds)?;
    let mut rows = vec![("`up`".to_owned(), short(up))];
    let victims = Victims::start(bench, "star", n, true)?;
    let measured = looks(bench, rounds).map(|more| rows.extend(more));
    let killed = measured.and_then(|()| {
        let begun = Instant::now();
        let (took, peak) = once(&mut bench.killer(&["-s", "KILL", NAME]))?;
        rows.push(("`-s KILL`, once".into(), cell(took, peak)));
        eprintln!("{n} members, pid_max {pid_max}: dead after {} s", short(begun.elapsed().as_secs_f64()));
        Ok(())
    });
    victims.discard(bench)?;
    killed?;
    rows.extend(ends(bench, n, rounds)?);
    run::quiet(&mut bench.killer(&["down", "--force"]))?;
    Ok(Column { rows, memory })
}

/// What it takes until all of a service are dead: ours and the kernel's own, in turns. So many children of one parent take
/// seconds or a moment, as the one who reaps them comes upon the dead: the kernel looks through all that are left at each wait.
fn ends(bench: &Bench, n: usize, rounds: usize) -> Result<Vec<(String, String)>> {
    let ways: Vec<Way> = [How::Killer, How::CgroupKill].map(Way::tracked).into();
    let ways: Vec<Way> = ways.into_iter().filter(|w| w.is_ours() || bench.cgroup.is_some()).collect();
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..3 * rounds {
        for (way, times) in ways.iter().zip(&mut times) {
            let outcome = Victims::start(bench, "star", n, true)?.end(bench, way)?;
            times.push(outcome.dead.map_or(f64::NAN, ms));
        }
    }
    let row = |(way, times): (&Way, Vec<f64>)| {
        (format!("{}, all dead: median / least of {}", way.name(), times.len()), both(times))
    };
    Ok(ways.iter().zip(times).map(row).collect())
}

fn looks(bench: &Bench, rounds: usize) -> Result<Vec<(String, String)>> {
    let lines: [&[&str]; 6] = [
        &["list"],
        &["status", NAME],
        &["tree", NAME],
        &["-o", "json", "status", NAME],
        &["verify", NAME],
        &["-s", "0", NAME],
    ];
    let row = |line: &&[&str]| {
        let words = format!("`{}`", line.join(" ").replace(NAME, "NAME"));
        Ok((words, look(bench, line, 3 * rounds)?))
    };
    lines.iter().map(row).collect()
}

fn cell(took: f64, peak: f64) -> String {
    format!("{} ({})", short(took), short(peak))
}

/// A cell of a call that can be repeated: its time by itself, and its memory of one more that is traced.
fn look(bench: &Bench, line: &[&str], times: usize) -> Result<String> {
    let one = || {
        interrupt::check()?;
        let begun = Instant::now();
        run::quiet(&mut bench.killer(line))?;
        Ok(ms(begun.elapsed()))
    };
    let took = (0..times).map(|_| one()).collect::<Result<Vec<_>>>()?;
    let (_, peak) = once(&mut bench.killer(line))?;
    Ok(cell(median(took), peak))
}

/// Milliseconds of a call with those that its trace takes (the start of a shell), and what it had in memory at most: MiB.
fn once(command: &mut Command) -> Result<(f64, f64)> {
    interrupt::check()?;
    let begun = Instant::now();
    let peak = trace::peak(command)?;
    Ok((ms(begun.elapsed()), peak as f64 / 1024.0))
}

/// Loads the tracker for so many numbers: milliseconds, and MiB that the kernel counts for it.
fn up(bench: &Bench, pid_max: u64, rounds: usize) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    for _ in 0..3 * rounds {
        run::quiet(&mut bench.killer(&["down", "--force"]))?;
        // The kernel frees a tracker's maps some time later, on the same CPUs.
        std::thread::sleep(Duration::from_millis(300));
        let _numbers = PidMax::set(pid_max)?;
        let begun = Instant::now();
        run::quiet(&mut bench.killer(&["up"]))?;
        times.push(ms(begun.elapsed()));
    }
    Ok((median(times), bpf::memory(&bench.pins)? as f64 / MIB))
}

/// Another `pid_max` while it lives.
struct PidMax {
    before: u64,
}

impl PidMax {
    fn set(most: u64) -> Result<PidMax> {
        let before = number(PID_MAX)?;
        std::fs::write(PID_MAX, most.to_string()).context(PID_MAX)?;
        Ok(PidMax { before })
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(PID_MAX, self.before.to_string()) {
            eprintln!("{PID_MAX} should be {} again: {error}", self.before);
        }
    }
}

fn number(path: &str) -> Result<u64> {
    std::fs::read_to_string(path).context(path.to_owned())?.trim().parse().context(path.to_owned())
}

/// Services that have ended leave slots that are used again, and live ones fill the registry.
fn services(bench: &Bench) -> Result<String> {
    run::quiet(&mut bench.killer(&["up"]))?;
    let mut text = format!(
        "| | first 100 | last 100 of {ENDED} ended | first 100 live | last 100 live |\n|---|---|---|---|---|\n"
    );
    let ended = start(bench, ENDED, "ended", Path::new("/bin/true"), &[])?;
    let live = start(bench, LIVE, "s", Path::new("/bin/sleep"), &["300"])?;
    ensure!(live.len() >= 200, "only {} services could be started", live.len());
    let edge = |times: &[f64], last: bool| {
        let some = if last { &times[times.len() - 100..] } else { &times[..100] };
        short(median(some.iter().copied()))
    };
    let cells = [edge(&ended, false), edge(&ended, true), edge(&live, false), edge(&live, true)];
    text += &format!("| `run --detach`, ms | {} |\n\n", cells.join(" | "));
    text += &format!(
        "| with {} live services (as many as there is room for, or {LIVE}) | ms (MiB) |\n|---|---|\n",
        live.len()
    );
    for line in
        [&["list"][..], &["status", "s0"], &["-s", "0", "s0"], &["-s", "0", "s*"], &["-s", "KILL", "s*"]]
    {
        let (took, peak) = once(&mut bench.killer(line))?;
        text += &format!("| `{}` | {} |\n", line.join(" "), cell(took, peak));
    }
    run::quiet(&mut bench.killer(&["down", "--force"]))?;
    text.push('\n');
    Ok(text)
}

/// Starts up to `n` services, each under a name of its own; milliseconds of each. It ends early when there is no room for another.
fn start(bench: &Bench, n: usize, name: &str, program: &Path, args: &[&str]) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for i in 0..n {
        interrupt::check()?;
        let mut command = bench.killer(&["run", "--name", &format!("{name}{i}"), "--detach", "--"]);
        command.arg(program).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        if !command.status()?.success() {
            break;
        }
        times.push(ms(begun.elapsed()));
    }
    Ok(times)
}
