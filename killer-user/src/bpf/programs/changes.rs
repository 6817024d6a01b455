//! Starting and adopting.

use std::io;

use killer_common::ctl;
use killer_common::record::TaskKey;

use super::{Programs, taking};
use crate::keep::{Candidate, Changes, Sets, Slot, Taken, TakenBelow};
use crate::sys::launch::{self, Launch, Spawned};

/// The mark must have been consumed by the fork, else the hooks did not run; and by this fork: a kill may have taken it
/// away before (models: `seeds::membership_not_asked`), so the child is looked up, too.
fn consumed(t: &Programs, s: Slot, child: i32) -> io::Result<()> {
    let marked = t.unseed()?;
    let member = t.member(child as u32)?.is_some_and(|m| m.root == s.slot && m.generation == s.generation);
    if marked || !member {
        return Err(io::Error::other(
            "the kernel's fork hook did not run, or a kill of this service came first: nothing was started",
        ));
    }
    Ok(())
}

impl Changes for Programs {
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        let spawned = launch::spawn(
            l,
            || self.seed(s, flags),
            |pid| {
                consumed(self, s, pid)?;
                ready(pid)
            },
        );
        if spawned.is_err() {
            let _ = self.unseed();
        }
        spawned
    }

    fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken> {
        let taken = taking::one(self, s, candidate, from);
        taking::end(self);
        taken
    }

    fn adopt_below(&self, s: Slot, top: TaskKey) -> io::Result<TakenBelow> {
        let taken = taking::below(self, s, top);
        taking::end(self);
        taken
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::FORGET, s, &[]).map(drop)
    }
}
