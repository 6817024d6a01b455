//! Members that have ended: which were, and which left the index last and may hold something still.

use std::io;

use killer_common::MAX_ENDING;
use killer_common::record::{Dead, Ending};

use super::Programs;
use crate::keep::{HowEnded, Keep, Past};
use crate::kernel::tier::Tier;

impl Past for Programs {
    fn dead(&self) -> io::Result<Vec<Dead>> {
        self.tidy_ancestors();
        self.remembered()
    }

    fn left_last(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending> {
        let mut v = Vec::new();
        // What cannot be opened is noted, as a look-up that fails is.
        let Ok(ending) = self.ending() else { return v };
        ending.for_each(|i, e| {
            if e.tgid == 0 || !set(e.root) {
                return;
            }
            // Copied while it was written, perhaps: then once more.
            let again = ending.get(i).unwrap_or_default();
            v.push(if again == e { e } else { ending.get(i).unwrap_or_default() });
        });
        v
    }

    fn tells_ends(&self) -> bool {
        matches!(self.tier(), Tier::Witnessed | Tier::Typed)
    }

    fn status(&self, pid: u32, start: u64) -> Option<HowEnded> {
        let e = self.ending().ok()?.get((pid & (MAX_ENDING - 1)) as usize)?;
        HowEnded::of(e.status, e.at).filter(|_| e.tgid == pid && e.start == start)
    }
}
