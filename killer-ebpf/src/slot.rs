//! A slot that becomes a new root: by request of user space ([`crate::ctl`]), or when a rule matches.

use killer_common::reason;
use killer_common::record::*;

use crate::maps::*;
use crate::task;

/// The next generation of a slot, in state STARTING, without a name and with nothing counted.
///
/// # Safety
/// `r` and `p` point to the record and the counts of `slot`, which nobody else changes.
#[inline(always)]
pub unsafe fn fresh(slot: u32, r: *mut RootRecord, p: *mut Pop) {
    // SAFETY: the caller's.
    unsafe {
        (*r).state = R_STARTING;
        (*r).generation += 1;
        (*r).parent = 0;
        (*r).parent_generation = 0;
        (*r).depth = 0;
        (*r).flags = 0;
        (*r).main_tgid = 0;
        (*r).main_start = 0;
        (*r).born = task::boottime();
        (*r).owner_tgid = 0;
        (*r).owner_start = 0;
        (*r).last_signal = 0;
        (*r).last_at = 0;
        (*r).last_uid = 0;
        (*r).last_outcome = 0;
        (*r).opener_tgid = 0;
        (*r).opener_start = 0;
        (*r).from = 0;
        (*r).from_generation = 0;
        (*r).command_len = 0;
        (*r).stayed = 0;
        (*p).inserts = 0;
        (*p).exits = 0;
        (*p).denied = 0;
        (*p).errors = 0;
        (*p).misses = 0;
        (*p).gate_errors = 0;
        (*p).processes = 0;
        if let Some(w) = REASONS.get_ptr_mut(slot) {
            let mut i = 0;
            while i < reason::COUNT {
                core::ptr::write_volatile((&raw mut (*w).count as *mut u64).add(i), 0);
                core::ptr::write_volatile((&raw mut (*w).first as *mut u64).add(i), 0);
                i += 1;
            }
        }
    }
}
