//! The launcher's side of a supervisor: how what it started has ended, and the supervisor's own end.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::sys::{child, proc};

/// A supervisor that has nobody left ends in less.
const LAST: Duration = Duration::from_millis(50);

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
        let mut status = [0; 4];
        let read = self.line.read_exact(&mut status);
        self.reap();
        read.map_err(|_| io::Error::other("the supervisor of this service was killed"))?;
        Ok(i32::from_ne_bytes(status))
    }

    /// Reaps it when it has started nothing, or ends with what it has started: else it is left to the process that orphans come to,
    /// which need not wait for anything.
    pub fn reap(self) {
        if proc::readable(&self.line, LAST) {
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
