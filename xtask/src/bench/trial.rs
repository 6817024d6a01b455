//! One trial: victims, a way to end them, and a pipe that only they hold.

use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::Bench;
use super::ways::Way;
use crate::interrupt;

/// The service's name in our tracker.
pub const NAME: &str = "bench";

/// What came of a trial.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// From before the start of the killing program to the end of the pipe; `None` with survivors.
    pub dead: Option<Duration>,
    /// CPU time of the killing program.
    pub cpu: Duration,
    /// What lived on.
    pub left: usize,
}

/// Orphans whose numbers wrap in the middle.
pub const WRAPPED: &str = "wrapped";

/// Has the numbers of the next `n` orphans, each of which takes two, begin anew in the middle.
fn wrap(n: usize) -> Result<()> {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    const MOST: &str = "/proc/sys/kernel/pid_max";
    let most: usize = std::fs::read_to_string(MOST).context(MOST)?.trim().parse().context(MOST)?;
    ensure!(most > 2 * n + 1000, "pid_max is {most}: too low for {n} orphans");
    std::fs::write(LAST, (most - n).to_string()).context(LAST)
}

/// Victims that are all there.
pub struct Victims {
    pipe: PipeReader,
    nursery: Child,
    /// In PID order, as `cgroup.procs` had them.
    pub pids: Vec<i32>,
}

impl Victims {
    /// Starts `n` sleepers of a shape, under our tracker or not.
    pub fn start(bench: &Bench, shape: &str, n: usize, tracked: bool) -> Result<Victims> {
        Victims::named(bench, tracked.then_some(NAME), shape, n)
    }

    /// Starts `n` sleepers of a shape as a service of this name, or untracked, beside those that are there.
    pub fn named(bench: &Bench, service: Option<&str>, shape: &str, n: usize) -> Result<Victims> {
        interrupt::check()?;
        let before = living(bench)?;
        let shape = match shape {
            WRAPPED => {
                wrap(n)?;
                "orphans"
            }
            shape => shape,
        };
        let (pipe, writer) = std::io::pipe()?;
        let mut command = Command::new(&bench.nursery);
        command.arg("nursery");
        if let Some(service) = service {
            command.arg(&bench.killer).env("KILLER_PIN_ROOT", &bench.pins);
            command.args(["run", "--name", service, "--detach", "--keep-fds", "--"]);
        }
        let cgroup = bench.cgroup.as_ref().map_or("-".into(), |c| c.display().to_string());
        command.arg(&bench.sleepers).args([shape, &n.to_string(), &cgroup]);
        command.stdin(Stdio::null()).stdout(writer);
        let nursery = command.spawn().context("the nursery")?;
        // Our own copy of the write end.
        drop(command);
        let mut victims = Victims { pipe, nursery, pids: Vec::new() };
        match victims.gather(bench, shape, n, &before) {
            Ok(()) => Ok(victims),
            Err(error) => {
                victims.discard(bench)?;
                Err(error)
            }
        }
    }

    fn gather(&mut self, bench: &Bench, shape: &str, n: usize, before: &[i32]) -> Result<()> {
        ensure!(self.readable(Duration::from_secs(60))?, "{n} sleepers ({shape}) are not ready after 60 s");
        let mut byte = [0];
        ensure!(
            self.pipe.read(&mut byte)? == 1 && byte == *b"R",
            "the sleepers ({shape}, {n}) did not start"
        );
        self.pids = living(bench)?.into_iter().filter(|p| before.binary_search(p).is_err()).collect();
        ensure!(self.pids.len() == n, "{} sleepers instead of {n}", self.pids.len());
        Ok(())
    }

    fn readable(&self, limit: Duration) -> Result<bool> {
        let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        loop {
            match poll(&mut fds, timeout) {
                Ok(n) => return Ok(n > 0),
                Err(nix::errno::Errno::EINTR) => interrupt::check()?,
                Err(error) => bail!("poll: {error}"),
            }
        }
    }

    /// Ends them this way.
    pub fn end(mut self, bench: &Bench, way: &Way) -> Result<Outcome> {
        let ready = way.prepare(bench, &self.pids)?;
        let begun = Instant::now();
        let mut ending = ready.begin()?;
        // A way that leaves some must not make us wait for long: what is to die dies while it runs, or soon after.
        let limit = Duration::from_secs(if way.thorough() { 20 } else { 3 });
        let dead = self.readable(limit)?.then(|| begun.elapsed());
        if dead.is_some() {
            ensure!(self.pipe.read(&mut [0])? == 0, "a sleeper speaks");
        }
        let cpu = ending.finish()?;
        let left = if dead.is_some() { 0 } else { living(bench)?.len() };
        if dead.is_none() {
            end_all(bench)?;
            ensure!(self.readable(Duration::from_secs(20))?, "sleepers cannot be ended");
        }
        // All are reaped, nothing of this trial is left for the next one.
        self.nursery.wait()?;
        Ok(Outcome { dead, cpu, left })
    }

    /// Ends them by the quickest way, unmeasured.
    pub fn discard(mut self, bench: &Bench) -> Result<()> {
        end_all(bench)?;
        self.nursery.wait()?;
        Ok(())
    }
}

/// PIDs of the sleepers, in order; nobody else has their name.
fn living(bench: &Bench) -> Result<Vec<i32>> {
    let name = bench.sleepers.file_name().context("a name")?.to_string_lossy().into_owned();
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if stat.contains(&format!("({name}) ")) && !stat.contains(") Z ") && !stat.contains(") X ") {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

/// What is left of the sleepers.
pub fn end_all(bench: &Bench) -> Result<()> {
    if let Some(cgroup) = &bench.cgroup {
        std::fs::write(cgroup.join("cgroup.kill"), "1")?;
        return Ok(());
    }
    for pid in living(bench)? {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    Ok(())
}

/// A program that ends others, or what we do ourselves in its place.
pub enum Ending {
    /// Another process.
    Program(Child),
    /// Done already, with this much CPU time.
    Own(Duration),
}

impl Ending {
    /// Waits; gives its CPU time.
    fn finish(&mut self) -> Result<Duration> {
        match self {
            Ending::Own(cpu) => Ok(*cpu),
            Ending::Program(child) => {
                let (status, cpu) = wait_with_cpu(child)?;
                // pkill and psutil have nothing to say about what they did not find.
                let _ = status;
                Ok(cpu)
            }
        }
    }
}

/// Waits for a child; its exit status, and the CPU time that it and the processes that it has waited for used.
pub fn wait_with_cpu(child: &mut Child) -> Result<(ExitStatus, Duration)> {
    // The kernel adds a child's time when it is waited for, and nobody else waits meanwhile.
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let status = child.wait()?;
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = after.user_time() + after.system_time() - before.user_time() - before.system_time();
    Ok((status, Duration::from_micros(spent.num_microseconds() as u64)))
}

/// CPU time of this thread until now.
pub fn own_cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(Duration::ZERO, Duration::from)
}
