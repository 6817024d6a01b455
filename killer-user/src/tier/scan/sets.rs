//! Members and counts, as /proc and the supervisors have them.

use std::collections::HashMap;
use std::io;

use killer_common::reason;
use killer_common::record::{Member, Pop, R_STARTING, Reasons};

use super::descent::{Up, climb};
use super::{Scan, Watch};
use crate::keep::{Sets, Slot};
use crate::sys::{alive, clock};
use crate::tier::files::RootFile;
use crate::tier::seen;

impl Sets for Scan {
    fn count(&self, slot: u32) -> i64 {
        // Nobody knows, so nobody says that it is empty.
        let Ok(watches) = self.watches(slot) else { return 1 };
        let starting = || {
            let p = self.files.root(slot);
            p.state == R_STARTING && p.owner_lives()
        };
        if watches.iter().all(|w| *w == Watch::Ended) {
            return i64::from(watches.is_empty() && starting());
        }
        let l = self.everybody();
        let found = l.slots.iter().filter(|(_, s)| **s == slot).filter_map(|(p, _)| l.all.get(p));
        let tasks = found.map(|s| s.threads - i64::from(s.leader_dead)).sum();
        // A process that could not be looked at is not said to be dead.
        if watches.contains(&Watch::Running) || !l.whole { i64::max(tasks, 1) } else { tasks }
    }

    fn pop(&self, slot: u32) -> Pop {
        let processes = self.listed(&|s| u32::from(s) == slot).len() as u64;
        let ever = self.files.ever(slot, processes);
        Pop { pop: self.count(slot), processes: ever, ..Pop::default() }
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let Some(s) = seen::member(tgid)? else { return Ok(None) };
        let before = self.known.borrow().get(&s.id()).copied();
        let slot = before.or_else(|| {
            let tops = self.tops();
            let up = |p| seen::process(p).as_ref().map(Up::from);
            let found = (0..3).find_map(|_| climb(tgid, &tops, up))?;
            self.known.borrow_mut().insert(s.id(), found);
            Some(found)
        });
        let creator = seen::process(s.ppid).map_or(0, |c| c.start);
        Ok(slot.map(|slot| self.entry(&s, slot, &self.files.root(slot), creator)))
    }

    fn all_members(&self) -> io::Result<Vec<Member>> {
        let l = self.everybody();
        let roots: HashMap<u32, RootFile> = self.files.roots().into_iter().collect();
        let found = l.slots.iter().filter_map(|(pid, slot)| {
            let s = l.all.get(pid)?;
            let creator = l.all.get(&s.ppid).map_or(0, |c| c.start);
            Some(self.entry(s, *slot, roots.get(slot)?, creator))
        });
        Ok(found.collect())
    }

    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        let l = self.everybody();
        let mut v: Vec<u32> = l.slots.iter().filter(|(_, s)| set(**s as u16)).map(|(p, _)| *p).collect();
        v.sort_unstable();
        v
    }

    fn whose(&self) -> io::Result<Option<u32>> {
        Ok(self.member(std::process::id())?.map(|m| m.root))
    }

    fn sound(&self) -> io::Result<()> {
        alive::sound()
    }

    fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.files.reason(s, reason)
    }

    fn reasons(&self, slot: u32) -> Option<Reasons> {
        let mut r = self.files.reasons(slot);
        if self.watches(slot).is_ok_and(|w| w.contains(&Watch::Lost)) {
            r.count[reason::SUPERVISOR as usize] += 1;
            r.first[reason::SUPERVISOR as usize] = clock::boottime_ns();
        }
        Some(r)
    }

    fn cannot_miss(&self) -> bool {
        false
    }
}
