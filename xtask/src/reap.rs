//! `cargo xtask reap PROGRAM…`: runs a test program, and takes the orphans of what it starts.
//!
//! Tests leave orphans by the thousand, which go to process 1. One that reaps them late (some of virtual machines look every few
//! seconds) lets zombies take all numbers, and then nobody on the host can fork.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use killer_tests::start;
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// `reap`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// The program to run in its place.
pub fn below(command: &Command) -> Result<Command> {
    let mut reaper = Command::new(std::env::current_exe().context("our own path")?);
    reaper.arg("reap").arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => reaper.env(name, value),
            None => reaper.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        reaper.current_dir(dir);
    }
    Ok(reaper)
}

/// Runs it to its end; its exit code, or 128 and the signal that ended it.
pub fn main(options: &Options) -> Result<ExitCode> {
    set_child_subreaper(true)?;
    let mut command = Command::new(&options.program[0]);
    let child = start(command.args(&options.program[1..])).context("cannot run it")?;
    let mut code = None;
    loop {
        // What is left when it has ended is reaped as far as it is there.
        let flags = code.map(|_| WaitPidFlag::WNOHANG);
        match waitpid(None, flags) {
            Ok(WaitStatus::Exited(pid, c)) if pid.as_raw() as u32 == child.id() => code = Some(c as u8),
            Ok(WaitStatus::Signaled(pid, s, _)) if pid.as_raw() as u32 == child.id() => {
                code = Some(128 + s as u8);
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e).context("cannot wait"),
        }
    }
    Ok(ExitCode::from(code.unwrap_or(1)))
}
