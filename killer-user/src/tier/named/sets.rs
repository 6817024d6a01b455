//! Members and counts, as the hierarchy has them.

use std::io;

use killer_common::record::{Member, Pop, R_STARTING, Reasons};

use super::Named;
use crate::keep::{Sets, Slot};
use crate::sys::alive;
use crate::tier::seen;

impl Sets for Named {
    fn count(&self, slot: u32) -> i64 {
        // Nobody knows, so nobody says that it is empty.
        let Ok(p) = self.files.read(slot) else { return 1 };
        if p.place.is_empty() {
            return 0;
        }
        match self.tree.tasks(&p.place) {
            Err(_) => 1,
            Ok(None) => i64::from(!self.tree.is_mounted()),
            Ok(Some(0)) if p.state == R_STARTING && p.owner_lives() => 1,
            Ok(Some(0)) if self.removed(&p) => 0,
            Ok(Some(0)) => self.tree.tasks(&p.place).ok().flatten().unwrap_or(0).max(1),
            Ok(Some(n)) => n,
        }
    }

    fn pop(&self, slot: u32) -> Pop {
        let p = self.files.root(slot);
        let now = self.tree.inside(&p.place).map_or(0, |v| v.len()) as u64;
        Pop { pop: self.count(slot), processes: self.files.ever(slot, now), ..Pop::default() }
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let Some(s) = seen::member(tgid)? else { return Ok(None) };
        Ok(self.slot_of(&s).map(|(slot, p)| self.entry(&s, slot, &p)))
    }

    fn all_members(&self) -> io::Result<Vec<Member>> {
        let listed = self.listed(&|_| true);
        Ok(listed.into_iter().filter_map(|t| self.member(t).ok().flatten()).collect())
    }

    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        let roots = self.files.roots().into_iter().filter(|(s, _)| set(*s as u16));
        let mut v: Vec<u32> =
            roots.flat_map(|(_, p)| self.tree.inside(&p.place).unwrap_or_default()).collect();
        v.sort_unstable();
        v.dedup();
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
        Some(self.files.reasons(slot))
    }

    fn cannot_miss(&self) -> bool {
        true
    }
}
