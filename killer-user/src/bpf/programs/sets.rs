//! Members, counts and reasons: read from maps.

use std::io;
use std::sync::atomic::Ordering;

use killer_common::ctl;
use killer_common::record::{Member, Pop, Reasons, process_key};

use super::Programs;
use crate::bpf::maps::Limits;
use crate::keep::{Keep, Sets, Slot};

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

impl Programs {
    /// The key in `births` of the task that the record of a process stands with; 0: it stands apart.
    fn leader(&self, tgid: u32) -> u64 {
        if self.tier().by_btf() { self.leaders.get(tgid as usize).unwrap_or(0) } else { 0 }
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
        let mut leader = self.leader(tgid);
        loop {
            // Elements are recycled under readers: what does not say its own number is another's.
            let found =
                |key: u64| io::Result::Ok(self.heed(self.births.get(&key))?.filter(|m| m.is_record(tgid)));
            let with_leader = if leader == 0 { None } else { found(leader)? };
            if let Some(m) = with_leader.map_or_else(|| found(process_key(tgid)), |m| Ok(Some(m)))? {
                return Ok(Some(m.whole()));
            }
            // An exec by another thread has taken it over meanwhile.
            let now = self.leader(tgid);
            if now == leader || now == 0 {
                return Ok(None);
            }
            leader = now;
        }
    }

    /// All at once (5.6+): for sets too large for single look-ups. One whose leader ends, or which executes a program in another thread,
    /// while they are read may be missing.
    fn all_members(&self) -> io::Result<Vec<Member>> {
        let v = self.heed(self.births.all(8192))?;
        let here = |(key, m): &(u64, Member)| {
            let leader = self.leader(m.tgid);
            let at = if leader == 0 { process_key(m.tgid) } else { leader };
            *key == at && m.is_record(m.tgid)
        };
        Ok(v.into_iter().filter(here).map(|(_, m)| m.whole()).collect())
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
