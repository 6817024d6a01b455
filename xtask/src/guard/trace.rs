//! What a program does, counted by the kernel as it goes (ptrace), so that no other work on the machine changes a figure.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::ptrace::{self, Options};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A program that is not at its end by then never comes to it.
const LIMIT: Duration = Duration::from_secs(60);
/// Stops itself, and becomes the program once it is traced: nothing that comes before is counted.
const LAUNCHER: &str = "kill -STOP $$; exec \"$0\" \"$@\"";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// System calls.
    Calls,
    /// Instructions outside the kernel; one that repeats itself counts as often as it does so.
    Instructions,
    /// KiB of memory at the end.
    Peak,
}

/// How many of them a program needs from its first instruction to its end, which has to be a success.
///
/// # Errors
/// The program cannot be started or traced, fails, or has not ended after a minute. It does not outlive this process.
pub fn count(program: &Command, unit: Unit) -> Result<u64> {
    traced(program, unit)
}

/// KiB that a program had in memory at most, at its end, which has to be a success.
///
/// # Errors
/// As of [`count`].
pub fn peak(program: &Command) -> Result<u64> {
    traced(program, Unit::Peak)
}

fn traced(program: &Command, unit: Unit) -> Result<u64> {
    let mut launcher = Command::new("/bin/sh");
    launcher.args(["-c", LAUNCHER]).arg(program.get_program()).args(program.get_args()).env_clear();
    launcher.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    quiet(&mut launcher);
    let (done, ended) = mpsc::channel();
    // A tracer is a thread, and what it traces dies with it.
    std::thread::spawn(move || done.send(followed(launcher, unit)));
    let counted = ended.recv_timeout(LIMIT).context("not at its end after a minute")?;
    counted.with_context(|| format!("{program:?}"))
}

/// Page faults of a program from its start to its end: the least of some runs, because where its memory lies is chance.
///
/// # Errors
/// The program cannot be started, or fails.
pub fn faults(program: &mut Command, runs: usize) -> Result<u64> {
    quiet(program);
    let mut least = u64::MAX;
    for _ in 0..runs {
        // The kernel adds a child's faults when it is waited for, and nobody else waits meanwhile.
        let before = getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults();
        let status = program.status()?;
        ensure!(status.success(), "{program:?}: {status}");
        let after = getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults();
        least = least.min((after - before) as u64);
    }
    Ok(least)
}

fn quiet(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}

fn followed(mut launcher: Command, unit: Unit) -> Result<u64> {
    let mut child = launcher.spawn()?;
    match seized(&child) {
        Ok(pid) => counted(pid, unit),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// The launcher as it becomes the program.
fn seized(child: &Child) -> Result<Pid> {
    let pid = Pid::from_raw(child.id() as i32);
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ensure!(matches!(stopped, WaitStatus::Stopped(..)), "the launcher did not stop: {stopped:?}");
    let options = Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEEXIT
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(pid, options)?;
    kill(pid, Signal::SIGCONT)?;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(_, _, event) if event == nix::libc::PTRACE_EVENT_EXEC => return Ok(pid),
            WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..) => ptrace::cont(pid, None)?,
            other => bail!("the launcher did not become the program: {other:?}"),
        }
    }
}

fn counted(pid: Pid, unit: Unit) -> Result<u64> {
    let (mut stops, mut peak) = (0, 0);
    let mut deliver = None;
    loop {
        match unit {
            Unit::Calls => ptrace::syscall(pid, deliver.take())?,
            Unit::Instructions => ptrace::step(pid, deliver.take())?,
            Unit::Peak => ptrace::cont(pid, deliver.take())?,
        }
        match waitpid(pid, None)? {
            WaitStatus::PtraceSyscall(_) | WaitStatus::Stopped(_, Signal::SIGTRAP) => stops += 1,
            WaitStatus::PtraceEvent(_, _, event) if event == nix::libc::PTRACE_EVENT_EXIT => {
                peak = most_memory(pid)?
            }
            WaitStatus::Stopped(_, signal) => deliver = Some(signal),
            WaitStatus::Exited(_, 0) => break,
            WaitStatus::Exited(_, code) => bail!("{}", ExitStatus::from_raw(code << 8)),
            other => bail!("{other:?}"),
        }
    }
    Ok(match unit {
        // The end of execve, then two for each call but the last one, which does not return.
        Unit::Calls => stops / 2,
        Unit::Instructions => stops,
        Unit::Peak => peak,
    })
}

fn most_memory(pid: Pid) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Unit, count, faults, peak};

    #[test]
    fn more_work_is_more_of_everything() {
        let shell = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            command
        };
        for unit in [Unit::Calls, Unit::Instructions] {
            let counted = |script| count(&shell(script), unit).expect("a shell that can be traced");
            let (less, more) = (counted(":"), counted("umask 22; umask 22"));
            assert!(0 < less && less < more, "{unit:?}: {less} {more}");
            if unit == Unit::Calls {
                assert_eq!(counted(":"), less);
            }
        }
        assert!(peak(&shell(":")).expect("a shell that can be traced") > 0);
        assert!(count(&shell("exit 3"), Unit::Calls).is_err());
        assert!(faults(&mut shell(":"), 3).expect("a shell") > 0);
        assert!(faults(&mut shell("exit 3"), 1).is_err());
    }
}
