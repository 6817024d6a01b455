//! Comparing the sets with the host: walks, and claims of what has ended unseen (docs/internals/PROTOCOL.md 2).

use std::io;

use killer_common::names::{P_CLEAR, P_REAP, P_WALK};
use killer_common::record::is_process_key;

use super::programs::Programs;
use crate::keep::Keep;
use crate::sys::bpf;
use crate::sys::entry::Entry;
use crate::sys::{clock, proc, prog};

impl Programs {
    /// True where all tasks can be walked over, which an adoption needs.
    pub fn can_walk(&self) -> bool {
        self.tier().by_btf()
    }

    /// Walks all tasks once: repairs what hooks missed, and fills a root that is being adopted. Answers its number.
    pub fn walk(&self) -> io::Result<u32> {
        self.ensure(&[P_WALK]).map_err(io::Error::other)?;
        let number = self.walk_begin()?;
        bpf::iter_read(self.program(P_WALK)?)?;
        Ok(number)
    }

    /// Walks twice and reaps what neither walk met: entries of tasks whose exit was missed.
    pub(super) fn mend(&self) -> io::Result<()> {
        if !self.can_walk() {
            return self.mend_by_hand();
        }
        let first = self.walk()?;
        self.walk()?;
        match self.program(P_REAP) {
            Ok(p) => bpf::prog_run(p, &[u64::from(first), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Reaps entries of processes that are gone: where there is no walk.
    fn mend_by_hand(&self) -> io::Result<()> {
        // Before 5.8 the programs' clock stands still while the host sleeps: the most that a start can be late by.
        let slept = match prog::has_boot_clock() {
            true => 0,
            false => clock::boottime_ns().saturating_sub(clock::monotonic_ns()),
        };
        let tasks = self.births().all(4096)?.into_iter().filter(|(key, _)| !is_process_key(*key));
        for (addr, b) in tasks {
            let gone = match Entry::open(b.tgid).and_then(|e| e.stat()) {
                // Younger by more than what a start is late by, and by a tick of /proc: the number is another's.
                Ok(s) => clock::host_ticks(s.starttime) > (b.leader_start + slept) / 10_000_000 + 1,
                // /proc may hide it, or not be read: whether it is there is asked of the kernel.
                Err(_) => !proc::exists(b.tgid),
            };
            if gone {
                self.claim_dead(addr, &b)?;
            }
        }
        Ok(())
    }

    /// Empties the log of forks (5.13+); false where the kernel cannot.
    pub fn clear_edges(&self) -> bool {
        self.program(P_CLEAR).and_then(|p| bpf::prog_run(p, &[0; 12])).is_ok()
    }
}
