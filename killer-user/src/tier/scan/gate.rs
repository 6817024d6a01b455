//! The gate of a tier that has none: who is stopped does not fork. SIGSTOP to everybody until nobody is new.

use std::time::Duration;

use super::descent::Tops;
use super::{Scan, Watch};
use crate::sys::{mem, proc};
use crate::tier::{Slot, look};

/// How long one closing goes on against those who fork and exit all the time.
const MOST: Duration = Duration::from_millis(200);

impl Scan {
    /// Stops a root and those inside it.
    pub(super) fn stop(&self, slot: u32) {
        let family = self.family(slot);
        let end = mem::monotonic_ns() + MOST.as_nanos() as u64;
        loop {
            // Chains of processes that fork and exit come to the supervisor, link by link: a look at its children is short
            // enough to catch them, a look at all of /proc is not.
            let mut new = false;
            let tops = self.tops();
            while self.stop_orphans(&family, &tops) && mem::monotonic_ns() < end {
                new = true;
            }
            for pid in self.listed_in(&family) {
                let found = look::process(pid).map(|s| (s.pid, s.start));
                let member = found.is_some_and(|id| self.known.borrow().contains_key(&id));
                new |= member && self.stop_one(pid, |s| Some((s.pid, s.start)) == found);
            }
            if !new || mem::monotonic_ns() >= end {
                return;
            }
        }
    }

    /// Lets go on whom this process has stopped.
    pub(super) fn go_on(&self) {
        for id in self.stopped.borrow_mut().drain() {
            let Ok(fd) = proc::pidfd_open(id.0) else { continue };
            if look::process(id.0).is_some_and(|s| s.start == id.1) {
                let _ = proc::pidfd_send(&fd, libc::SIGCONT, None);
            }
        }
    }

    /// Stops children of the supervisors of a family; true when somebody was new.
    fn stop_orphans(&self, family: &[u32], tops: &Tops) -> bool {
        let mut new = false;
        // A stopped supervisor of a service inside would never say that it has nobody left.
        let stays = |pid: &u32| tops.get(pid).is_some_and(|t| !t.2);
        for &slot in family {
            let p = self.book.page(slot);
            let s = Slot { slot, generation: p.generation };
            for w in p.watchers.iter().filter(|&&w| self.watch(s, w) == Watch::Running) {
                // Only with CONFIG_PROC_CHILDREN.
                let list = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", w.0));
                for pid in list
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter_map(|p| p.parse().ok())
                    .filter(|p| !stays(p))
                {
                    let id = |s: &look::Seen| (s.pid, s.start);
                    new |= self.stop_one(pid, |s| {
                        let ours = s.ppid == w.0;
                        if ours {
                            self.known.borrow_mut().insert(id(s), slot);
                        }
                        ours
                    });
                }
            }
        }
        new
    }

    /// Stops the process of that number if it is the one, looked at after it was opened; true when it was not stopped before.
    fn stop_one(&self, pid: u32, is_the_one: impl Fn(&look::Seen) -> bool) -> bool {
        if pid == std::process::id() {
            return false;
        }
        let Ok(fd) = proc::pidfd_open(pid) else { return false };
        let Some(s) = look::process(pid).filter(|s| is_the_one(s)) else { return false };
        if self.stopped.borrow().contains(&(s.pid, s.start)) {
            return false;
        }
        if proc::pidfd_send(&fd, libc::SIGSTOP, None).is_err() {
            return false;
        }
        self.stopped.borrow_mut().insert((s.pid, s.start))
    }

    fn listed_in(&self, family: &[u32]) -> Vec<u32> {
        let l = self.look();
        let mut v: Vec<u32> = l.slots.iter().filter(|(_, s)| family.contains(s)).map(|(p, _)| *p).collect();
        v.sort_unstable();
        v
    }
}
