//! Giving an instance back: whatever takes the count of one to 0 (an exit, a failed fork, a walk, a move) frees its slot.
//!
//! The delete of `instances[(slot, generation)]` is the claim, so that of two that see 0 one frees; the generation is in the key, because
//! the slot may have another use by the time the second one looks. FREE before the slot goes to the queue.

use killer_common::record::R_FREE;
use killer_common::rule::Instance;
use killer_common::{CANARY_SLOT, POOL_FIRST};

use crate::maps::GLOBAL;
use crate::member::{self, add64};
use crate::rule_maps::{FREE_SLOTS, INSTANCES};

/// To be called after a root's count went down.
#[inline(always)]
pub fn left(slot: u32, generation: u32) {
    if (POOL_FIRST..CANARY_SLOT).contains(&slot) {
        ended(slot, generation);
    }
}

#[inline(never)]
fn ended(slot: u32, generation: u32) {
    let Some(p) = member::pop(slot) else { return };
    // SAFETY: p points to a whole Pop.
    if unsafe { core::ptr::read_volatile(&raw const (*p).pop) } == 0 {
        give_back(slot, generation);
    }
}

/// Frees the slot of this instance, once.
#[inline(always)]
pub fn give_back(slot: u32, generation: u32) {
    let key = Instance { slot, generation };
    if INSTANCES.remove(&key).is_err() {
        return;
    }
    if let Some(r) = member::root(slot) {
        // SAFETY: r points to a whole RootRecord.
        unsafe { core::ptr::write_volatile(&raw mut (*r).state, R_FREE) };
    }
    let _ = FREE_SLOTS.push(slot, 0);
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global.
        add64(unsafe { &raw mut (*g).given_back }, 1);
    }
}
