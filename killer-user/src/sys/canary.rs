//! Throw-away children, for finding out what the hooks really do.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::{child, supervise};

/// A child that waits for a word, then forks once and says how that went: for canaries.
#[derive(Debug)]
pub struct Canary {
    pid: i32,
    go: OwnedFd,
}

/// What the canary's fork came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sang {
    /// The fork was refused with this errno.
    Refused(i32),
    /// The grandchild was killed by a signal.
    Killed,
    /// The grandchild lived.
    Lived,
}

impl Canary {
    /// Forks it.
    pub fn fork() -> io::Result<Self> {
        let (going, go) = supervise::pipe()?;
        // SAFETY: the child calls only async-signal-safe functions and ends with _exit.
        unsafe {
            let pid = libc::fork();
            if pid < 0 {
                return Err(io::Error::last_os_error());
            }
            if pid == 0 {
                libc::close(go.as_raw_fd());
                let mut byte = 0u8;
                while libc::read(going.as_raw_fd(), (&raw mut byte).cast(), 1) < 0
                    && *libc::__errno_location() == libc::EINTR
                {}
                let inner = libc::fork();
                if inner == 0 {
                    libc::_exit(0);
                }
                if inner < 0 {
                    libc::_exit(*libc::__errno_location());
                }
                let mut st = 0;
                while libc::waitpid(inner, &mut st, 0) < 0 && *libc::__errno_location() == libc::EINTR {}
                libc::_exit(if libc::WIFSIGNALED(st) { 200 } else { 201 });
            }
            Ok(Self { pid, go })
        }
    }

    /// Lets it sing and waits for its end.
    pub fn sing(self) -> io::Result<Sang> {
        let _ = rustix::io::write(&self.go, &[1]);
        drop(self.go);
        let st = child::wait(self.pid)?;
        Ok(match libc::WEXITSTATUS(st) {
            _ if libc::WIFSIGNALED(st) => Sang::Killed,
            200 => Sang::Killed,
            201 => Sang::Lived,
            e => Sang::Refused(e),
        })
    }
}

/// Forks a child that ends at once; the error is the fork's.
pub fn fork_once() -> io::Result<()> {
    fork_status().map(drop)
}

/// The same; answers the child's raw wait status.
pub fn fork_status() -> io::Result<i32> {
    // SAFETY: the child only ends.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        // SAFETY: ends the child without any clean-up of the parent's.
        unsafe { libc::_exit(0) }
    }
    child::wait(pid)
}
