//! Members, counts and reasons: read from maps.

use std::io;
use std::sync::atomic::Ordering;

use killer_common::ctl;
use killer_common::record::{Member, Pop, Reasons};

use super::Programs;
use crate::bpf::maps::Limits;
use crate::keep::{Sets, Slot};

impl Programs {
    /// True when pid_max was raised after the index was made: members may have numbers that it has no place for.
    fn has_beyond(&self) -> bool {
        self.beyond.get().copied().unwrap_or_else(|| self.note_beyond(Limits::read()))
    }

    /// The same, by limits that were read: once is enough for one process.
    pub(super) fn note_beyond(&self, l: Limits) -> bool {
        let beyond = l.tgids() as usize > self.index.len();
        let _ = self.beyond.set(beyond);
        beyond
    }
}

impl Sets for Programs {
    fn count(&self, slot: u32) -> i64 {
        self.pop.count(slot as usize)
    }

    fn pop(&self, slot: u32) -> Pop {
        self.pop.get(slot as usize).unwrap_or_default()
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let m = self.heed(self.members.get(&tgid))?;
        // Elements are recycled under readers: what does not say its own number is another's.
        Ok(m.filter(|m| m.tgid == tgid))
    }

    /// All at once (5.6+): for sets too large for single look-ups.
    fn all_members(&self) -> io::Result<Vec<Member>> {
        let v = self.heed(self.members.all(8192))?;
        Ok(v.into_iter().filter(|(k, m)| *k == m.tgid).map(|(_, m)| m).collect())
    }

    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        let mut v = Vec::new();
        let all = self.index.nonzero(|tgid, slot| {
            if set(slot) {
                v.push(tgid as u32);
            }
        });
        let _ = self.heed(all);
        if self.has_beyond() {
            let all = self.all_members().unwrap_or_default();
            let beyond = all.iter().filter(|m| m.tgid as usize >= self.index.len() && set(m.root as u16));
            v.extend(beyond.map(|m| m.tgid));
            let from = v.partition_point(|&t| (t as usize) < self.index.len());
            v[from..].sort_unstable();
        }
        v
    }

    fn whose(&self) -> io::Result<Option<u32>> {
        self.ctl(ctl::WHOSE, Slot { slot: 0, generation: 0 }, &[]).map(|n| (n != 0).then_some(n))
    }

    fn sound(&self) -> io::Result<()> {
        match self.trouble.load(Ordering::Relaxed) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.reason_times(s, reason, 1)
    }

    fn reason_times(&self, s: Slot, reason: u32, times: u64) -> io::Result<()> {
        self.ctl(ctl::REASON, s, &[u64::from(reason), times]).map(drop)
    }

    fn reasons(&self, slot: u32) -> Option<Reasons> {
        self.reasons.get(slot as usize)
    }

    /// When the birth witness is loaded.
    fn cannot_miss(&self) -> bool {
        self.features & ctl::HAS_WITNESS != 0
    }
}
