//! Throw-away children, for finding out what the hooks really do.

use std::io;

use super::child;
use super::launch::close;

/// A child that waits for a word, then forks once and says how that went: for canaries.
#[derive(Debug)]
pub struct Canary {
    pid: i32,
    go: i32,
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
        let mut go = [0; 2];
        // SAFETY: go holds two ints.
        if unsafe { libc::pipe2(go.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the child calls only async-signal-safe functions and ends with _exit.
        unsafe {
            let pid = libc::fork();
            if pid < 0 {
                let e = io::Error::last_os_error();
                close(&go);
                return Err(e);
            }
            if pid == 0 {
                libc::close(go[1]);
                let mut byte = 0u8;
                while libc::read(go[0], (&raw mut byte).cast(), 1) < 0
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
            libc::close(go[0]);
            Ok(Self { pid, go: go[1] })
        }
    }

    /// Lets it sing and waits for its end.
    pub fn sing(self) -> io::Result<Sang> {
        // SAFETY: one byte from a live buffer to our own pipe.
        unsafe { libc::write(self.go, [1u8].as_ptr().cast(), 1) };
        close(&[self.go]);
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
