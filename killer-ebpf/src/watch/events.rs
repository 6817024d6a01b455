//! Where events go, and which are wanted.

use aya_ebpf::maps::{Array, HashMap, RingBuf};
use killer_common::MAX_DEPTH;
use killer_common::watch::*;

use crate::maps::{ROOTS, add64};
use crate::task::{self, Task};

/// The watcher's ring.
#[aya_ebpf::macros::map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);
/// How many events had no place in it.
#[aya_ebpf::macros::map]
static LOST: Array<u64> = Array::with_max_entries(1, 0);
/// Names of the services that are watched.
#[aya_ebpf::macros::map]
static WATCHED: HashMap<Name, u32> = HashMap::with_max_entries(256, 0);

/// Which kinds of events.
#[unsafe(no_mangle)]
static WATCH_KINDS: u32 = ALL;
/// Of which user; `u32::MAX`: of everyone.
#[unsafe(no_mangle)]
static WATCH_UID: u32 = u32::MAX;
/// 1: only services in `WATCHED`.
#[unsafe(no_mangle)]
static WATCH_SOME: u32 = 0;

/// True when events of this kind, of this user, in this root are wanted.
#[inline(always)]
pub fn wanted(kind: u32, uid: u32, root: u32) -> bool {
    // SAFETY: statics of this object; volatile, so that LLVM does not fold the defaults in.
    let (kinds, only, some) = unsafe {
        (
            core::ptr::read_volatile(&raw const WATCH_KINDS),
            core::ptr::read_volatile(&raw const WATCH_UID),
            core::ptr::read_volatile(&raw const WATCH_SOME),
        )
    };
    kinds & kind != 0 && (only == u32::MAX || only == uid) && (some == 0 || watched(root))
}

/// True when the root, or one around it, has one of the names.
#[inline(always)]
fn watched(root: u32) -> bool {
    let mut slot = root;
    for _ in 0..MAX_DEPTH + 1 {
        let Some(r) = ROOTS.get_ptr(slot) else { return false };
        // SAFETY: r points to a whole RootRecord.
        unsafe {
            if WATCHED.get(&(*r).name).is_some() {
                return true;
            }
            slot = (*r).parent;
        }
        if slot == 0 {
            return false;
        }
    }
    false
}

/// Notes an event that had no place.
#[inline(always)]
pub fn lose() {
    if let Some(n) = LOST.get_ptr_mut(0) {
        add64(n, 1);
    }
}

#[inline(always)]
fn lost() -> u64 {
    // SAFETY: n points to a number.
    LOST.get_ptr(0).map_or(0, |n| unsafe { core::ptr::read_volatile(n) })
}

/// Writes an event of a process; `more` fills in what the kind has besides.
#[inline(always)]
pub fn write(kind: u32, (root, generation): (u32, u32), t: Task, more: impl FnOnce(*mut Event)) {
    match EVENTS.reserve::<Event>(0) {
        Some(mut e) => {
            // SAFETY: the place is as large as an Event.
            unsafe { fill(e.as_mut_ptr(), kind, (root, generation), t) };
            more(e.as_mut_ptr());
            e.submit(0);
        }
        None => lose(),
    }
}

/// The same of an exec.
#[inline(always)]
pub fn write_exec((root, generation): (u32, u32), t: Task, more: impl FnOnce(*mut Exec)) {
    match EVENTS.reserve::<Exec>(0) {
        Some(mut e) => {
            // SAFETY: the place is as large as an Exec, which begins with an Event.
            unsafe { fill(e.as_mut_ptr().cast(), EXEC, (root, generation), t) };
            more(e.as_mut_ptr());
            e.submit(0);
        }
        None => lose(),
    }
}

/// # Safety
/// `e` points to a place for an Event.
#[inline(always)]
unsafe fn fill(e: *mut Event, kind: u32, (root, generation): (u32, u32), t: Task) {
    // SAFETY: the caller's.
    unsafe {
        (*e).kind = kind;
        (*e).root = root;
        (*e).generation = generation;
        (*e).tgid = task::tgid(t);
        (*e).start = task::leader_start(t);
        (*e).at = task::boottime();
        (*e).lost = lost();
        (*e).inode = task::inode(t);
        (*e).other_start = 0;
        (*e).other = 0;
        (*e).uid = task::uid(t);
        (*e).code = 0;
        (*e).other_uid = 0;
        (*e).result = 0;
        (*e).args_len = 0;
        (*e).file_inode = 0;
        (*e).file_dev = 0;
        (*e).pad = 0;
        (*e).comm = task::comm(t);
        (*e).other_comm = [0; 2];
    }
}
