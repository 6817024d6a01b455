//! What holds a root still, as the port has it.

use std::io;

use killer_common::record::{R_FREEZING, R_FROZEN, R_THAWING};

use super::Named;
use crate::keep::{Freezer, Sets, Slot};
use crate::sys::clock;
use crate::tier::seen;

impl Named {
    /// Freezes everybody of a root and of those inside it.
    fn hold(&self, s: Slot) -> io::Result<()> {
        let family = self.files.family(s);
        let members = || self.listed(&|slot| family.iter().any(|s| s.slot == u32::from(slot)));
        let is_member = |pid| seen::process(pid).is_some_and(|p| self.is_in(&p, &family));
        self.freezing.hold(&self.files.root(s.slot).place, &members, &is_member)
    }

    /// True when a root, or one that it is inside of, is frozen or is being frozen.
    pub(super) fn is_frozen(&self, slot: u32) -> bool {
        let mut at = slot;
        for _ in 0..=killer_common::MAX_DEPTH {
            let p = self.files.root(at);
            if p.freeze.0 & (R_FREEZING | R_FROZEN) != 0 {
                return true;
            }
            at = p.parent.0;
            if at == 0 {
                return false;
            }
        }
        false
    }

    /// Lets what a KILL has reached go on, and end: in a frozen directory no process does.
    pub(super) fn let_die(&self, s: Slot) {
        for s in self.files.family(s) {
            let p = self.files.root(s.slot);
            if p.generation == s.generation
                && p.freeze.0 != 0
                && let Err(e) = self.freezing.let_go(&p.place)
            {
                log::warn!("a frozen service that is killed cannot be let go: {e}");
            }
        }
    }
}

impl Freezer for Named {
    fn freeze(&self, s: Slot, to: u64) -> io::Result<u64> {
        let p = self.files.root(s.slot);
        let was = p.freeze.0;
        let me = seen::Id::now(std::process::id());
        let at = if was & (R_FREEZING | R_FROZEN) == 0 { clock::boottime_ns() } else { p.freeze.2 };
        // Written down before anything is done: a call that dies is undone by the next one.
        self.files.change(s, |p| p.freeze = (to, me, at))?;
        let done = match to {
            R_FREEZING => self.hold(s),
            R_FROZEN => Ok(()),
            _ => self.freezing.let_go(&p.place),
        };
        if to == R_FREEZING && done.is_err() && was & R_FROZEN == 0 {
            self.files.change(s, |p| p.freeze = (R_THAWING, me, at))?;
            self.freezing.let_go(&p.place)?;
            self.files.change(s, |p| p.freeze = (0, me, 0))?;
        }
        done.map(|()| was)
    }

    fn note_stopped(&self, s: Slot, tgid: u32, on: bool) -> io::Result<()> {
        let id = seen::Id::now(tgid);
        self.files.change(s, |p| {
            p.stopped.retain(|i| *i != id && i.lives());
            if on {
                p.stopped.push(id);
            }
        })
    }

    fn unheard(&self) -> io::Result<Option<u32>> {
        Ok(None)
    }

    fn holds(&self, s: Slot, tgid: u32) -> bool {
        self.freezing.holds(&self.files.root(s.slot).place, tgid)
    }
}
