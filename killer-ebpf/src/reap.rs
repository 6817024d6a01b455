//! The removal of dead entries whose exit was missed: what two complete walks, both begun after its insertion, did not meet.
//!
//! A walk in PID order can miss a task that takes its old leader's number (`fs/exec.c:de_thread`), but not twice: then it
//! is the leader. A program of its own, because `bpf_for_each_map_elem` is 5.13+; exits cannot be missed before 7.0.

use core::ffi::c_void;

use killer_common::reason;
use killer_common::record::*;

use crate::knobs;
use crate::maps::*;
use crate::member::{self, add32, add64};
use crate::process;

extern "C" fn birth(_map: *mut c_void, key: *const u64, value: *mut Member, first: *const u64) -> i64 {
    // SAFETY: the kernel passes the element's key and value, and our own context.
    let (addr, first) = unsafe { (*key, *first) };
    if is_process_key(addr) {
        // SAFETY: as above.
        let (walk, tgid, start) = unsafe { ((*value).walk, (*value).tgid, (*value).leader_start) };
        if walk < first {
            process::ended_apart(tgid, start, 0);
        }
        return 0;
    }
    // A fork that the witness has registered and no fork hook has seen may be under way still: it is in no list. The hook that fills it
    // in renews the walk first and writes the tgid last, so that is read first.
    // SAFETY: as above.
    if knobs::witness() != 0 && unsafe { core::ptr::read_volatile(&raw const (*value).tgid) } == 0 {
        return 0;
    }
    // SAFETY: as above.
    if unsafe { core::ptr::read_volatile(&raw const (*value).walk) } >= first {
        return 0;
    }
    // SAFETY: as above.
    let b = unsafe { (*value).birth() };
    if process::ends(addr, &b) {
        if let Some(g) = GLOBAL.get_ptr_mut(0) {
            // SAFETY: g points to a whole Global.
            add32(unsafe { &raw mut (*g).walk_claims }, 1);
        }
        // With the witness nothing was lost: the task is dead, and `task_free` would have claimed it a grace period later.
        if knobs::witness() == 0 {
            member::note(b.root, reason::STALE);
        }
    }
    0
}

extern "C" fn mark(_map: *mut c_void, key: *const u64, value: *const Birth, first: *const u64) -> i64 {
    // SAFETY: as in `birth`.
    let (addr, b, first) = unsafe { (*key, *value, *first) };
    if b.walk < first {
        member::remove_seed(addr, &b);
    }
    0
}

/// Entry by hand: run on demand with the number of the first of the two walks.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_reap(ctx: *const u64) -> i32 {
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return 0 };
    // SAFETY: g points to a whole Global.
    add64(unsafe { &raw mut (*g).reaps }, 1);
    // SAFETY: maps and callbacks are of this object; each callback deletes only the element that it is given.
    unsafe {
        let mut first = core::ptr::read_volatile(ctx);
        let at = (&raw mut first).cast::<c_void>();
        use aya_ebpf::helpers::generated::bpf_for_each_map_elem as each;
        each((&raw const BIRTHS) as *mut c_void, birth as *mut c_void, at, 0);
        each((&raw const SEEDS) as *mut c_void, mark as *mut c_void, at, 0);
    }
    // SAFETY: g points to a whole Global.
    add64(unsafe { &raw mut (*g).reaped }, 1);
    0
}
