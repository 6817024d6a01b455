//! Members of a lineage that are in no list, because the kernel has skipped runs of hooks.

use std::io;

use killer_common::reason;

use super::family::Repairs;
use super::set::Lineage;
use crate::keep::Lapses;

impl Lineage<'_> {
    /// What hooks have missed until now.
    fn lapses_now(&self) -> Option<Lapses> {
        self.tracker.hooks().and_then(|h| h.lapses())
    }

    /// From here on [`Repairs::lapsed`] says what was missed.
    pub(super) fn watch_lapses(&self) {
        self.lapses.set(self.lapses_now());
    }
}

impl Repairs for Lineage<'_> {
    fn repair(&self) -> io::Result<()> {
        self.tracker.hooks().map_or(Ok(()), |h| h.repair())
    }

    fn can_lapse(&self) -> bool {
        self.lapses.get().is_some()
    }

    fn lapsed(&self) -> bool {
        let Some(before) = self.lapses.get() else { return false };
        if self.lapses_now().is_none_or(|now| now.skipped == before.skipped) {
            return false;
        }
        let late = || {
            let reasons = self.slots().into_iter().filter_map(|slot| self.tracker.reasons(slot));
            reasons.map(|r| r.count[reason::REPAIRED_WALK as usize]).sum::<u64>()
        };
        let late_before = late();
        let whole = self.repair().is_ok();
        self.watch_lapses();
        !whole || late() != late_before || self.lapses.get().is_none_or(|now| now.found != before.found)
    }
}
