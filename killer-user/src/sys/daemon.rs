//! Processes that stay behind, and must not hold what their starter happened to have: its session, its directory, its
//! descriptors. Else `$(killer run --detach …)` would wait for them.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::setsid;

use super::child;
use super::descriptors;
use super::launch::close;
use super::supervise;

/// Lets nothing but descriptors 0 to 2 through to the program.
pub fn alone(command: &mut Command) {
    // SAFETY: only system calls between fork and exec, on no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            descriptors::close_at_exec(3);
            Ok(())
        });
    }
}

/// Goes on as a supervisor in the background: forks, answers the inner `Ok` in the new process (a session of its own), and
/// in the old one what the new one reported through [`Report::done`] as its exit code, `None` when it died first.
pub fn background() -> io::Result<Result<Report, Option<u8>>> {
    let (from, to) = supervise::pipe()?;
    if supervise::fork_for_good()?.is_none() {
        drop(from);
        // It cannot fail in a fresh child.
        let _ = setsid();
        return Ok(Ok(Report(to.into_raw_fd())));
    }
    drop(to);
    let mut code = [0u8];
    let n = loop {
        match rustix::io::read(&from, &mut code) {
            Err(Errno::INTR) => {}
            n => break n,
        }
    };
    Ok(Err((n == Ok(1)).then_some(code[0])))
}

/// The new process's word to the one that started it.
#[derive(Debug)]
pub struct Report(i32);

impl Report {
    /// In a copy of the process that is to say it: that one does.
    pub(super) fn shut(&self) {
        close(&[self.0]);
    }

    /// Lets go of the caller's world and says how the start went. In this order: a caller that is told of it may look at once.
    pub fn done(self, code: u8) {
        descriptors::close_callers(&[self.0]);
        descriptors::close_standard();
        let _ = std::env::set_current_dir("/");
        // SAFETY: one byte from a live buffer, then a descriptor of our own.
        unsafe {
            libc::write(self.0, (&raw const code).cast(), 1);
            libc::close(self.0);
        }
    }
}

/// Starts `life` in a process of its own, which ends with it: the child of no process but the one that orphans come to, in a
/// session of its own, in `/`, with no descriptor but `only`; without that, with all that this program has opened itself. Nothing that
/// can be held back ends it. The process that calls has one thread.
pub fn aside(only: Option<&OwnedFd>, life: impl FnOnce()) -> io::Result<()> {
    let Some(pid) = supervise::fork()? else {
        // It cannot fail in a fresh child.
        let _ = setsid();
        if let Ok(None) = supervise::fork_for_good() {
            super::offspring::block_all();
            match only {
                Some(fd) => descriptors::close_all_but(&[fd.as_raw_fd()]),
                None => descriptors::close_callers(&[]),
            }
            descriptors::close_standard();
            let _ = std::env::set_current_dir("/");
            life();
        }
        supervise::exit(0)
    };
    child::wait(pid).map(drop)
}
