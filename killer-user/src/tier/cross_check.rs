//! The cross-check (`up --cross-check=named`): what the programs keep is kept in the named hierarchy, too, and the two
//! sets are compared. Neither knows of the other: a difference says that one of them is wrong.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use super::named::Named;
use super::{Place, seen};
use crate::keep::{Keep, KeepError, Slot};

/// Between two looks: a birth or an end takes less.
const AGAIN: Duration = Duration::from_millis(10);
const ADOPT_PASSES: u32 = 10;

/// The hierarchy beside the programs.
#[derive(Debug)]
pub struct CrossCheck(Named);

fn place(s: Slot) -> String {
    format!("w{}.{}", s.slot, s.generation)
}

impl CrossCheck {
    /// Opens it where it was asked for.
    pub fn open(at: &Place) -> Option<Self> {
        if !Named::is_cross_check(at) {
            return None;
        }
        match Named::open(at) {
            Ok(n) => Some(Self(n)),
            Err(e) => {
                log::warn!("the cross-check is not there: {e}");
                None
            }
        }
    }

    /// Asks for it.
    pub fn up(at: &Place) -> Result<Self, KeepError> {
        let n = Named::up(at)?;
        n.be_cross_check()?;
        Ok(Self(n))
    }

    /// Puts a process that is about to exec into its root's directory.
    pub fn join(&self, s: Slot, pid: u32) -> io::Result<()> {
        self.0.tree().make_place(&place(s))?;
        self.0.tree().enter(pid, &place(s))
    }

    /// Puts adopted processes there; what they fork meanwhile is there by itself, or in the next pass.
    pub fn adopt(&self, keep: &dyn Keep, s: Slot) -> io::Result<()> {
        self.0.tree().make_place(&place(s))?;
        for _ in 0..ADOPT_PASSES {
            let there = self.0.tree().inside(&place(s)).unwrap_or_default();
            let listed = keep.listed(&|x| u32::from(x) == s.slot);
            let new: Vec<u32> = listed.into_iter().filter(|p| !there.contains(p)).collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                let _ = self.0.tree().enter(pid, &place(s));
            }
        }
        Ok(())
    }

    /// Removes the directory of a root that is gone.
    pub fn forget(&self, s: Slot) {
        let _ = self.0.tree().remove(&place(s));
    }

    /// True when the two sets differ by a process that both of two looks found in one of them only.
    pub fn differs(&self, keep: &dyn Keep, s: Slot) -> bool {
        // Without a directory the service is older than the cross-check.
        let Some(first) = self.odd(keep, s).filter(|o| !o.is_empty()) else { return false };
        std::thread::sleep(AGAIN);
        self.odd(keep, s).is_some_and(|second| first.intersection(&second).next().is_some())
    }

    /// The processes that are in one set only.
    fn odd(&self, keep: &dyn Keep, s: Slot) -> Option<HashSet<seen::Id>> {
        let there: HashSet<u32> = self.0.tree().inside(&place(s))?.into_iter().collect();
        let here: HashSet<u32> = keep.listed(&|x| u32::from(x) == s.slot).into_iter().collect();
        let living = |pid: &u32| seen::process(*pid).filter(|p| !p.exiting).map(|p| p.id());
        Some(there.symmetric_difference(&here).filter_map(living).collect())
    }
}
