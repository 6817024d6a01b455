//! Changes of membership: the only writer of `births`, `pop`, `filter`, `members`, `index` and `reasons`.
//!
//! Orders (docs/internals/PROTOCOL.md 2): birth: pop up, inserts up, filter up, insert, then the gate is read by the
//! caller. Removal: `delete(births) == 0` is the claim; index, filter, and pop down last.

use aya_ebpf::bindings::BPF_ANY;
use core::intrinsics;
use killer_common::record::*;
use killer_common::{MAX_ROOTS, reason};

use crate::maps::*;
use crate::task::{self, Task};
use crate::tries::{self, insert};
use crate::{instance, knobs, lineage};

/// `-EEXIST`
pub const EEXIST: i32 = -17;

/// Plain atomic add, result unused: `lock +=`, loads on every kernel (F31).
#[inline(always)]
pub fn add64(p: *mut u64, v: u64) {
    // SAFETY: p points into a map value that the verifier knows.
    unsafe { intrinsics::atomic_xadd::<u64, u64, { intrinsics::AtomicOrdering::Relaxed }>(p, v) };
}

/// The same for a `u32`.
#[inline(always)]
pub fn add32(p: *mut u32, v: u32) {
    // SAFETY: as in add64.
    unsafe { intrinsics::atomic_xadd::<u32, u32, { intrinsics::AtomicOrdering::Relaxed }>(p, v) };
}

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

/// False proves that no task of this thread group is indexed as a member, or marked.
#[inline(always)]
pub fn maybe_ours(tgid: u32) -> bool {
    match entry(&FILTER, tgid) {
        // SAFETY: n points to a number.
        Some(n) => unsafe { core::ptr::read_volatile(n) != 0 },
        None => true,
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
#[derive(Clone, Copy)]
pub struct Newborn {
    /// The task's address.
    pub addr: u64,
    /// What it becomes.
    pub birth: Birth,
    /// A launcher's mark was claimed for it: that one's count goes over to it.
    pub counted: bool,
}

/// Registers a task. True when it is a member afterwards by this call; else nothing is counted for it any more.
#[inline(always)]
pub fn register(n: &Newborn) -> bool {
    let slot = n.birth.root;
    let Some(p) = pop(slot) else { return false };
    // SAFETY: p points to a whole Pop.
    unsafe {
        if !n.counted {
            add64(&raw mut (*p).pop as *mut u64, 1);
        }
        add64(&raw mut (*p).inserts, 1);
    }
    filter_add(n.birth.tgid, 1);
    // Walks that begin from here on meet it (docs/internals/PROTOCOL.md 2, Sweep).
    let birth = Birth { walk: walks(), ..n.birth };
    let mut r = insert(n, &birth, 0);
    let mut met = None;
    if r == Err(EEXIST) {
        let reaped = reaped();
        // An entry for an address that is being born: its exit was missed (I7), or a second hook was faster.
        // It may change under us, the delete below decides.
        if let Some(p) = BIRTHS.get_ptr_mut(&n.addr) {
            // SAFETY: p points to a whole Birth.
            let old = unsafe { *p };
            if old.leader_start == n.birth.leader_start && old.tgid == n.birth.tgid {
                renew(p);
                undo(slot, n);
                doubt(slot, old.walk, reaped);
                return false;
            }
            if remove(n.addr, &old) {
                note(old.root, reason::STALE);
            }
            met = Some((old.walk, reaped));
        }
        r = insert(n, &birth, 0);
    }
    let r = tries::again(n, &birth, r);
    if r.is_err() {
        // SAFETY: p points to a whole Pop.
        unsafe { add64(&raw mut (*p).errors, 1) };
        // Without a number it is the witness's, which refuses the fork: nobody is lost.
        if n.birth.tgid != 0 {
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
    filter_add(n.birth.tgid, -1);
    pop_add(slot, -1);
    instance::left(slot, n.birth.generation);
}

/// Removes a task's entry; true for the one caller whose delete it was: the delete is the claim. `old` is the entry as it was
/// read.
#[inline(always)]
pub fn remove(addr: u64, old: &Birth) -> bool {
    // For tests: the exit hook's alone, so that there is something to reap.
    let refuse = knobs::refuse_exits();
    let refuse = if refuse != 0 && task::current_addr() == addr { refuse } else { 0 };
    if !tries::remove(&BIRTHS, addr, old, refuse) {
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
pub fn renew(p: *mut Birth) -> u64 {
    let now = walks();
    // SAFETY: p points to a whole Birth; one word is stored.
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
    if !tries::remove(&SEEDS, addr, old, 0) {
        return false;
    }
    marks_add(-1);
    true
}

/// Writes the index entry of a new process.
#[inline(always)]
pub fn index(t: Task, b: &Birth, creator: TaskKey) {
    index_facts(b, creator, task::facts(t));
}

/// The same with facts that were read otherwise.
#[inline(always)]
pub fn index_facts(b: &Birth, creator: TaskKey, facts: task::Facts) {
    let tgid = b.tgid;
    let place = lineage::below(b.root, &creator);
    let m = Member {
        tgid,
        root: b.root,
        generation: b.generation,
        flags: b.flags | place.flags,
        leader_start: b.leader_start,
        inode: facts.inode,
        signal: facts.signal,
        creator_tgid: creator.tgid,
        uid: facts.uid,
        creator_start: creator.start,
        execs: 0,
        threads: 1,
        born: task::boottime(),
        // SAFETY: 16 bytes either way.
        comm: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(facts.comm) },
        walk: walks(),
        depth: place.depth,
        above: place.above,
        kids: 0,
        spare: 0,
        ended: 0,
        reserved: 0,
    };
    if MEMBERS.insert(&tgid, &m, BPF_ANY as u64).is_err() {
        note(b.root, reason::INDEX);
    }
    index_set(tgid, b.root as u16);
    one_more(b.root);
}

/// Counts a process, after it was indexed.
#[inline(always)]
pub fn one_more(slot: u32) {
    if let Some(p) = pop(slot) {
        // SAFETY: p points to a whole Pop.
        unsafe { add64(&raw mut (*p).processes, 1) };
    }
}

/// Drops the index entry of a process that has ended, and remembers it for `tree` when it has forked.
#[inline(always)]
pub fn unindex(b: &Birth) {
    drop_entry(b.tgid, b.leader_start, b.flags);
}

#[cfg_attr(no_calls, inline(always))]
#[cfg_attr(not(no_calls), inline(never))]
fn drop_entry(tgid: u32, start: u64, flags: u32) {
    let mut up = TaskKey::default();
    if let Some(m) = MEMBERS.get_ptr_mut(&tgid) {
        // SAFETY: m points to a whole Member.
        unsafe {
            if (*m).leader_start == start || start == 0 {
                if !lineage::remember(m, flags) && (*m).flags & B_KID != 0 {
                    up = TaskKey { tgid: (*m).creator_tgid, pad: 0, start: (*m).creator_start };
                }
            }
        }
    }
    index_set(tgid, 0);
    // Two last threads may both come here: the one that removes it says so to its creator, once.
    if MEMBERS.remove(&tgid).is_ok() && up.tgid != 0 {
        lineage::gone(up);
    }
}

/// The same of a process that is not the current one: its number may be another's by now.
#[inline(always)]
pub fn unindex_own(b: &Birth) {
    // SAFETY: plain data.
    if let Some(m) = unsafe { MEMBERS.get(&b.tgid) } {
        if m.leader_start == b.leader_start {
            unindex(b);
        }
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
