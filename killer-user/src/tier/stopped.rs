//! The gate of tiers that have none in the kernel: a stopped process does not fork.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use super::seen::Id;
use super::seen::{self, Seen};
use crate::sys::{alive, clock, proc};

/// How long one closing goes on against processes that fork and exit all the time. On a slow machine one pass over
/// hundreds takes as long, and what was born in it is for the second.
const MOST: Duration = Duration::from_millis(200);

/// The processes that this one has stopped.
#[derive(Debug, Default)]
pub struct Stopped(RefCell<HashSet<Id>>);

impl Stopped {
    /// Passes until nobody is new, or for so long as makes sense; two at least.
    pub fn all(&self, mut pass: impl FnMut(&dyn Fn() -> bool) -> bool) {
        let end = clock::monotonic_ns() + MOST.as_nanos() as u64;
        let in_time = || clock::monotonic_ns() < end;
        let mut passes = 0;
        while pass(&in_time) && (in_time() || passes < 1) {
            passes += 1;
        }
    }

    /// True when this process has stopped it.
    pub fn has(&self, id: Id) -> bool {
        self.0.borrow().contains(&id)
    }

    /// Stops the process of that number if it is the one, looked at after it was opened; true when it was not stopped
    /// before.
    pub fn one(&self, pid: u32, is_the_one: impl Fn(&Seen) -> bool) -> bool {
        if pid == std::process::id() {
            return false;
        }
        let Some(fd) = alive::twice(|| proc::pidfd_open(pid)) else { return false };
        let Some(s) = seen::process(pid).filter(|s| is_the_one(s)) else { return false };
        if self.has(s.id()) {
            return false;
        }
        if proc::pidfd_send(&fd, libc::SIGSTOP, None).is_err() {
            return false;
        }
        self.0.borrow_mut().insert(s.id())
    }

    /// Lets the processes go on that this one has stopped.
    pub fn go_on(&self) {
        for id in self.0.borrow_mut().drain() {
            let Some(fd) = alive::twice(|| proc::pidfd_open(id.pid)) else { continue };
            if id.lives() {
                let _ = proc::pidfd_send(&fd, libc::SIGCONT, None);
            }
        }
    }
}
