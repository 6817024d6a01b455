//! Processes by pidfd, and patience.

use crate::pipe::poll_in;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// A limit as long as this machine needs it: `KILLER_TESTS_PATIENCE` times what an ordinary one needs. An emulated guest
/// on a busy host is many times slower.
pub fn patience(limit: Duration) -> Duration {
    static TIMES: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let times = || std::env::var("KILLER_TESTS_PATIENCE").ok()?.parse().ok();
    limit * *TIMES.get_or_init(|| times().unwrap_or(1))
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
        poll_in(self.fd.as_fd(), patience(limit)).is_some()
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
