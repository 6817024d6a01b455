//! Processes by pidfd, and patience.

use crate::pipe::poll_in;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// From here on a limit is for what has to come: how long that takes says nothing about `killer`.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What has to come is waited for so long at least. A fork bomb in the other lane has held a process up for 6 s.
const BUSY: Duration = Duration::from_secs(30);

/// A limit as long as this machine needs it. One that is shorter than a second looks whether something is so by now, or
/// that it does not come; a longer one only ends a test that hangs.
pub fn patience(limit: Duration) -> Duration {
    scaled(if limit < AT_ONCE { limit } else { limit.max(BUSY) })
}

/// `KILLER_TESTS_PATIENCE` times what an ordinary machine needs: an emulated guest on a busy host is many times slower.
pub fn scaled(span: Duration) -> Duration {
    static TIMES: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let times = || std::env::var("KILLER_TESTS_PATIENCE").ok()?.parse().ok();
    span * *TIMES.get_or_init(|| times().unwrap_or(1))
}

/// A process that stays the same one whatever becomes of its number.
#[derive(Debug)]
pub struct Pidfd {
    /// The number that it had.
    pub pid: i32,
    fd: OwnedFd,
}

impl Pidfd {
    /// Opens `pid`; `None` when there is no such process.
    pub fn open(pid: i32) -> Option<Pidfd> {
        let fd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Pidfd { pid, fd })
    }

    /// Whether it ends within `limit` (a zombie has ended).
    pub fn ends_within(&self, limit: Duration) -> bool {
        self.ends_in(patience(limit))
    }

    pub(crate) fn ends_in(&self, span: Duration) -> bool {
        poll_in(self.fd.as_fd(), span).is_some()
    }

    /// Whether it has not ended.
    pub fn alive(&self) -> bool {
        !self.ends_within(Duration::ZERO)
    }

    /// Sends a signal; one that is gone is no error.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.fd, signal);
    }
}

/// The state letter of `/proc/PID/stat`.
pub fn proc_state(pid: i32) -> Option<char> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|b| *b == b')')?;
    stat.get(end + 2).map(|b| *b as char)
}

/// Starts a program. Where the host has no number left for it, which others of the run may have taken, it is tried for half a minute.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match command.spawn() {
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(100));
            }
            started => return started,
        }
    }
}

/// Asks until `done` says yes, for `limit` at most; whether it did.
pub fn eventually(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience(limit);
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
