//! Starting, adopting, gating: what the tier `named` can, and its registry in files.

use std::io;
use std::path::Path;

use killer_common::reason;
use killer_common::record::R_STARTING;

use super::hierarchy::no_such;
use super::{Named, freezer, place};
use crate::keep::{Candidate, Changes, Freezer, InFiles, Keep, KeepError, Sets, Slot, Taken};
use crate::kernel::tier::Tier;
use crate::sys::launch::{self, Launch, Spawned};
use crate::tier::files::{FileRegistry, OnFiles, RootFile};
use crate::tier::seen;

const PASSES: u32 = 24;

impl OnFiles for Named {
    fn files(&self) -> &FileRegistry {
        &self.files
    }

    fn prepare(&self, s: Slot, parent: u32, root: &mut RootFile) -> io::Result<()> {
        let own = place(s.slot, s.generation);
        root.place = match parent {
            0 => own,
            _ => format!("{}/{own}", self.files.root(parent).place),
        };
        self.tree.make_place(&root.place)
    }
}

impl Changes for Named {
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        // The child waits before exec until this is done; when this process dies first, it ends.
        launch::spawn(
            l,
            || Ok(()),
            |pid| {
                self.started(s, flags, pid as u32).map_err(|e| match no_such(&e) {
                    true => io::Error::from_raw_os_error(libc::EPERM),
                    false => e,
                })?;
                ready(pid)
            },
        )
    }

    fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken> {
        self.reason(s, reason::ADOPTED)?;
        let first = seen::process(candidate.pid).filter(|p| p.start == candidate.start_ticks);
        if first.is_some() {
            self.join(s, candidate.pid)?;
        }
        let (mut passes, mut quiet) = (0, 0);
        while passes < PASSES && quiet < 2 {
            passes += 1;
            let mut new = 0;
            let all = seen::everybody()?;
            let mut order: Vec<&seen::Seen> = all.values().collect();
            order.sort_by_key(|p| (p.start, p.pid));
            for p in order {
                let inside = |pid: u32| all.get(&pid).and_then(|p| self.slot_of(p)).map(|x| x.0);
                // What it is a member of: nothing, or what is moved.
                let free = inside(p.pid).is_none_or(|slot| from.is_some_and(|f| f.slot == slot));
                if inside(p.ppid) == Some(s.slot) && free && self.join(s, p.pid).is_ok() {
                    new += 1;
                }
            }
            quiet = if new == 0 { quiet + 1 } else { 0 };
        }
        if quiet < 2 {
            self.reason(s, reason::ADOPT_UNSURE)?;
        }
        Ok(Taken { passes, quiet: quiet >= 2 })
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        if self.count(s.slot) != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        self.files.forget(s)
    }
}

impl Keep for Named {
    fn tier(&self) -> Tier {
        Tier::Named
    }

    fn leave(&self) -> io::Result<bool> {
        let was = self.whose()?.is_some();
        self.tree.enter(std::process::id(), "")?;
        Ok(was)
    }

    fn descent_is_for_life(&self) -> bool {
        false
    }

    fn close_gate(&self, s: Slot, _: u64, _: u64) {
        // Most sets are dead after one pass; only what forks against it is stopped.
        if self.closed.replace(self.closed.get() + 1) > 0 {
            self.let_die(s);
            self.stop(s);
        }
    }

    fn open_gate(&self, _: Slot, _: u64, _: u64) {
        self.stopped.go_on();
    }

    fn cancel_marks(&self, s: Slot) -> usize {
        let p = self.files.root(s.slot);
        let pending = p.generation == s.generation && p.state == R_STARTING && !p.place.is_empty();
        usize::from(
            pending
                && self.tree.tasks(&p.place).is_ok_and(|t| t.is_some())
                && self.tree.remove(&p.place).is_ok(),
        )
    }

    fn freezer(&self) -> Option<&dyn Freezer> {
        freezer::missing().is_none().then_some(self)
    }

    fn no_freezer(&self) -> String {
        freezer::missing().unwrap_or_default()
    }

    fn in_files(&self) -> Option<&dyn InFiles> {
        Some(self)
    }
}

impl InFiles for Named {
    fn dir(&self) -> &Path {
        self.files.dir()
    }

    fn tear_down(&self) -> Result<(), KeepError> {
        self.take_down()
    }
}
