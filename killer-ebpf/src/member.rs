//! Changes of membership: the only writer of tasks' elements of `births`, of `pop`, `filter`, `index` and `reasons`.
//!
//! Orders (docs/internals/PROTOCOL.md 2): birth: pop up, inserts up, filter up, insert, then the gate is read by the
//! caller. Removal: `delete(births) == 0` is the claim; index, filter, and pop down last.

use killer_common::record::*;
use killer_common::{MAX_ROOTS, reason};

use crate::maps::*;
pub use crate::maps::{EEXIST, add32, add64};
use crate::task;
use crate::tries::{self, insert};
use crate::{instance, knobs, process};

/// The counts of a root.
#[inline(always)]
pub fn pop(slot: u32) -> Option<*mut Pop> {
    POP.get_ptr_mut(slot)
}

/// Adds to `pop`; `v` may be negative.
#[inline(always)]
pub fn pop_add(slot: u32, v: i64) {
    if let Some(p) = pop(slot) {
        // SAFETY: p points to a whole Pop.
        add64(unsafe { &raw mut (*p).pop } as *mut u64, v as u64);
    }
}

/// Counts a reason against a root, with the time of its first occurrence.
#[cfg_attr(no_calls, inline(always))]
#[cfg_attr(not(no_calls), inline(never))]
pub fn note(slot: u32, why: u32) {
    note_many(slot, why, 1);
}

/// Counts it so often.
#[inline(always)]
pub fn note_many(slot: u32, why: u32, n: u64) {
    if let Some(r) = REASONS.get_ptr_mut(slot) {
        let i = why as usize & (reason::COUNT - 1);
        // SAFETY: i < reason::COUNT, a power of two, and r points to a whole Reasons.
        unsafe {
            let first = (&raw mut (*r).first) as *mut u64;
            if *first.add(i) == 0 {
                *first.add(i) = task::boottime();
            }
            add64(((&raw mut (*r).count) as *mut u64).add(i), n);
        }
    }
}

/// Adds to the filter; up before the insert, down after the claim, so that zero proves "not ours".
#[inline(always)]
pub fn filter_add(tgid: u32, v: i32) {
    // The witness does not know the tgid yet; the fork hook counts when it fills it in.
    if tgid == 0 {
        return;
    }
    if let Some(n) = entry(&FILTER, tgid) {
        add32(n, v as u32);
    }
}

/// Sets the index entry of a tgid; a plain idempotent store.
#[inline(always)]
pub fn index_set(tgid: u32, slot: u16) {
    match entry(&INDEX, tgid) {
        // SAFETY: x points to a slot.
        Some(x) => unsafe { core::ptr::write_volatile(x, slot) },
        None => note(slot as u32, reason::INDEX),
    }
}

/// A birth that is to be registered.
pub struct Newborn {
    /// The task's address.
    pub addr: u64,
    /// What it becomes.
    pub member: Member,
    /// A launcher's mark was claimed for it: that one's count goes over to it.
    pub counted: bool,
}

/// Registers a task. True when it is a member afterwards by this call; else nothing is counted for it any more.
#[inline(always)]
pub fn register(n: &mut Newborn) -> bool {
    let slot = n.member.root;
    let Some(p) = pop(slot) else { return false };
    // SAFETY: p points to a whole Pop.
    unsafe {
        if !n.counted {
            add64(&raw mut (*p).pop as *mut u64, 1);
        }
        add64(&raw mut (*p).inserts, 1);
    }
    filter_add(n.member.tgid, 1);
    // Walks that begin from here on meet it (docs/internals/PROTOCOL.md 2, Sweep).
    n.member.walk = walks();
    let mut r = insert(n, 0);
    let mut met = None;
    if r == Err(EEXIST) {
        let reaped = reaped();
        // An entry for an address that is being born: its exit was missed (I7), or a second hook was faster.
        // It may change under us, the delete below decides.
        if let Some(p) = BIRTHS.get_ptr_mut(&n.addr) {
            // SAFETY: p points to a whole Member.
            let old = unsafe { (*p).birth() };
            if old.leader_start == n.member.leader_start && old.tgid == n.member.tgid {
                renew(p);
                undo(slot, n);
                doubt(slot, old.walk, reaped);
                return false;
            }
            process::unlist(n.addr, &old);
            if remove(n.addr, &old) {
                note(old.root, reason::STALE);
            }
            met = Some((old.walk, reaped));
        }
        r = insert(n, 0);
    }
    let r = tries::again(n, r);
    if r.is_err() {
        // SAFETY: p points to a whole Pop.
        unsafe { add64(&raw mut (*p).errors, 1) };
        // Without a number it is the witness's, which refuses the fork: nobody is lost.
        if n.member.tgid != 0 {
            note(slot, reason::MAP_FULL);
        }
        undo(slot, n);
        return false;
    }
    if let Some((was, reaped)) = met {
        doubt(slot, was, reaped);
    }
    true
}

#[inline(always)]
fn undo(slot: u32, n: &Newborn) {
    filter_add(n.member.tgid, -1);
    pop_add(slot, -1);
    instance::left(slot, n.member.generation);
}

/// Removes a task's entry; true for the one caller whose delete it was: the delete is the claim. `old` is the entry as it was
/// read.
#[inline(always)]
pub fn remove(addr: u64, old: &Birth) -> bool {
    // For tests: the exit hook's alone, so that there is something to reap.
    let refuse = knobs::refuse_exits();
    let refuse = if refuse != 0 && task::current_addr() == addr { refuse } else { 0 };
    if !tries::remove(|| BIRTHS.remove(&addr), old, refuse) {
        return false;
    }
    if let Some(p) = pop(old.root) {
        // SAFETY: p points to a whole Pop.
        unsafe { add64(&raw mut (*p).exits, 1) };
    }
    if old.flags & B_LATE != 0 {
        note(old.root, reason::REPAIRED_BIRTH);
    }
    filter_add(old.tgid, -1);
    pop_add(old.root, -1);
    instance::left(old.root, old.generation);
    true
}

/// Number of the last walk that was begun.
#[inline(always)]
pub fn walks() -> u64 {
    match GLOBAL.get_ptr(0) {
        // SAFETY: g points to a whole Global.
        Some(g) => unsafe { core::ptr::read_volatile(&raw const (*g).walks) },
        None => 0,
    }
}

/// Says that an entry is a living task's, so that it is not reaped; answers what it said before.
#[inline(always)]
pub fn renew(p: *mut Member) -> u64 {
    let now = walks();
    // SAFETY: p points to a whole Member; one word is stored.
    unsafe {
        let was = core::ptr::read_volatile(&raw const (*p).walk);
        if was != now {
            core::ptr::write_volatile(&raw mut (*p).walk, now);
        }
        was
    }
}

/// To be asked after an entry that was last met by the walk `was` was renewed, or another was put in its place: a reap that
/// had looked there before may take out what is there now, because no kernel has one step for both. The root is not called
/// exact then. `reaped` is how many reaps had ended before the entry was read.
#[inline(always)]
pub fn doubt(slot: u32, was: u64, reaped: u64) {
    let Some(g) = GLOBAL.get_ptr(0) else { return };
    // SAFETY: g points to a whole Global.
    unsafe {
        let (reaps, walks) = (&raw const (*g).reaps, &raw const (*g).walks);
        // The first of a reap's two walks is the one before the last, or an older one.
        if core::ptr::read_volatile(reaps) != reaped && was + 1 < core::ptr::read_volatile(walks) {
            note(slot, reason::STALE);
        }
    }
}

/// Sweeps that have ended.
#[inline(always)]
pub fn reaped() -> u64 {
    match GLOBAL.get_ptr(0) {
        // SAFETY: g points to a whole Global.
        Some(g) => unsafe { core::ptr::read_volatile(&raw const (*g).reaped) },
        None => 0,
    }
}

/// False proves that no task carries a mark.
#[inline(always)]
pub fn any_marks() -> bool {
    match GLOBAL.get_ptr(0) {
        // SAFETY: g points to a whole Global.
        Some(g) => unsafe { core::ptr::read_volatile(&raw const (*g).marks) != 0 },
        None => true,
    }
}

/// Counts marks: up before the insert, down after the claim.
#[inline(always)]
pub fn marks_add(v: i64) {
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global.
        add64(unsafe { &raw mut (*g).marks }, v as u64);
    }
}

/// Claims the mark of a launcher or the hold of an adopter, and counts it down.
#[inline(always)]
pub fn remove_seed(addr: u64, old: &Birth) -> bool {
    let won = take_seed(addr, old);
    if won {
        filter_add(old.tgid, -1);
        pop_add(old.root, -1);
        instance::left(old.root, old.generation);
    }
    won
}

/// Claims a mark for the child that is being forked: its count becomes the child's, its owner's tgid stays in the filter.
/// False: somebody else has claimed it, a KILL that may have said "empty" since.
#[inline(always)]
pub fn take_seed(addr: u64, old: &Birth) -> bool {
    if !tries::remove(|| SEEDS.remove(&addr), old, 0) {
        return false;
    }
    marks_add(-1);
    true
}

/// Counts a process, after it was listed.
#[inline(always)]
pub fn one_more(slot: u32) {
    if let Some(p) = pop(slot) {
        // SAFETY: p points to a whole Pop.
        unsafe { add64(&raw mut (*p).processes, 1) };
    }
}

/// The record of a root.
#[inline(always)]
pub fn root(slot: u32) -> Option<*mut RootRecord> {
    if slot == 0 || slot >= MAX_ROOTS {
        return None;
    }
    ROOTS.get_ptr_mut(slot)
}
