//! The gate of a tier that has none: a stopped process does not fork. SIGSTOP goes to all until none is new.

use super::descent::Tops;
use super::{Scan, Watch};
use crate::keep::Slot;
use crate::sys::alive;
use crate::sys::entry::Entry;
use crate::tier::seen;

impl Scan {
    /// Stops a root and those inside it.
    pub(super) fn stop(&self, s: Slot) {
        let family = self.files.family(s);
        self.stopped.all(|in_time| {
            // Chains of processes that fork and exit come to the supervisor, link by link: a look at its children is
            // short enough to catch them, a look at all of /proc is not.
            let mut new = false;
            let tops = self.tops();
            while self.stop_orphans(&family, &tops) && in_time() {
                new = true;
            }
            for pid in self.listed_in(&family) {
                let found = seen::process(pid).map(|s| s.id());
                let member = found.is_some_and(|id| self.known.borrow().contains_key(&id));
                new |= member && self.stopped.one(pid, |s| Some(s.id()) == found);
            }
            new
        });
    }

    /// Stops children of the supervisors of a family; true when somebody was new.
    fn stop_orphans(&self, family: &[Slot], tops: &Tops) -> bool {
        let mut new = false;
        // A stopped supervisor of a service inside would never say that it has nobody left.
        let stays = |pid: &u32| tops.get(pid).is_some_and(|t| !t.itself);
        for &s in family {
            let p = self.files.root(s.slot);
            if p.generation != s.generation {
                continue;
            }
            for w in p.watchers.iter().filter(|&&w| self.watch(s, w) == Watch::Running) {
                // Only with CONFIG_PROC_CHILDREN.
                let list = alive::twice(|| Entry::open(w.pid)?.text(&format!("task/{}/children", w.pid)));
                for pid in list
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter_map(|p| p.parse().ok())
                    .filter(|p| !stays(p))
                {
                    new |= self.stopped.one(pid, |it| {
                        let ours = it.ppid == w.pid;
                        if ours {
                            self.known.borrow_mut().insert(it.id(), s.slot);
                        }
                        ours
                    });
                }
            }
        }
        new
    }

    /// Members of a family. The slot of a root that was forgotten may be another one's by now.
    fn listed_in(&self, family: &[Slot]) -> Vec<u32> {
        let l = self.everybody();
        let is_current = |s: &Slot| self.files.root(s.slot).generation == s.generation;
        let slots: Vec<u32> = family.iter().filter(|s| is_current(s)).map(|s| s.slot).collect();
        let mut v: Vec<u32> = l.slots.iter().filter(|(_, s)| slots.contains(s)).map(|(p, _)| *p).collect();
        v.sort_unstable();
        v
    }
}
