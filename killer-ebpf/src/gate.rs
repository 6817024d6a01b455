//! The gate word of a root and of the roots around it.

use killer_common::{MAX_DEPTH, gate};

use crate::maps::{CONTROL, ROOTS};
use crate::task;

/// The kind of gate that holds for a member of `slot`: its own root's or an outer one's.
#[inline(always)]
pub fn holds(slot: u32) -> u64 {
    let mut s = slot;
    let mut i = 0;
    while i <= MAX_DEPTH {
        let Some(c) = CONTROL.get_ptr(s) else { return gate::OPEN };
        // SAFETY: c points to a whole Control; user space exchanges the word atomically.
        let w = unsafe { core::ptr::read_volatile(&raw const (*c).gate) };
        if w != gate::OPEN {
            let k = gate::kind_at(w, task::monotonic());
            if k != gate::OPEN {
                return k;
            }
        }
        let Some(r) = ROOTS.get_ptr(s) else { return gate::OPEN };
        // SAFETY: r points to a whole Root.
        s = unsafe { core::ptr::read_volatile(&raw const (*r).parent) };
        if s == 0 {
            return gate::OPEN;
        }
        i += 1;
    }
    gate::OPEN
}
