//! The launcher's side of a supervisor: how what it started has ended, and the supervisor's own end.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::sys::{child, proc};

/// A supervisor that has nobody left and has not said so ends in less.
const SOON: Duration = Duration::from_millis(50);
/// One that has said so: on a busy machine it may take a while.
const LAST: Duration = Duration::from_secs(10);

/// A supervisor that this process has started.
#[derive(Debug)]
pub(super) struct End {
    line: std::fs::File,
    supervisor: i32,
}

impl End {
    /// It writes to the other end of `line`, which it closes by its own end.
    pub fn new(line: std::fs::File, supervisor: i32) -> Self {
        Self { line, supervisor }
    }

    /// How what was started has ended, as its supervisor says.
    pub fn status(mut self) -> io::Result<i32> {
        let (mut status, mut last) = ([0; 4], [0]);
        let read = self.line.read_exact(&mut status).and_then(|()| self.line.read_exact(&mut last));
        self.reap_within(if last == [1] { LAST } else { SOON });
        read.map_err(|_| io::Error::other("the supervisor of this service was killed"))?;
        Ok(i32::from_ne_bytes(status))
    }

    /// Reaps it when it has started nothing: it is about to end.
    pub fn reap(self) {
        self.reap_within(LAST);
    }

    /// Reaps it when it ends so soon: else it is left to the process that orphans come to, which need not wait for anything.
    fn reap_within(self, most: Duration) {
        if proc::readable(&self.line, most) {
            // ECHILD: it needs nobody.
            let _ = child::wait(self.supervisor);
        }
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}
