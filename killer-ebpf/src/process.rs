//! Records of processes: where they stand, who keeps them, when they go (docs/internals/PROTOCOL.md 2).
//!
//! A process's record is its leader's element of `births`, found by `leaders`. A leader that ends before its other threads leaves
//! it in an element of its own, by [`process_key`], which counts nothing and whose delete says who is the last of it; an exec by
//! another thread takes it to that one. Tiers without leaders (raw and legacy) have it there from the beginning.
//! Nothing here decides membership.

use aya_ebpf::bindings::BPF_ANY;
use killer_common::reason;
use killer_common::record::*;

use crate::lineage;
use crate::maps::*;
use crate::member::{self, add32, note};
use crate::task::{self, Facts};

/// The record of a process.
#[inline(always)]
pub fn of(tgid: u32) -> Option<*mut Member> {
    if task::LEADERS {
        let key = leader(tgid);
        if key != 0 {
            if let Some(m) = BIRTHS.get_ptr_mut(&key) {
                // SAFETY: m points to a whole Member.
                if unsafe { (*m).is_record(tgid) } {
                    return Some(m);
                }
            }
        }
    }
    BIRTHS.get_ptr_mut(&process_key(tgid))
}

/// The same of the process that began then.
#[inline(always)]
pub fn of_key(k: &TaskKey) -> Option<*mut Member> {
    // SAFETY: m points to a whole Member.
    of(k.tgid).filter(|m| unsafe { (**m).leader_start } == k.start)
}

#[inline(always)]
fn leader(tgid: u32) -> u64 {
    if !task::LEADERS {
        return 0;
    }
    // SAFETY: k points to a number; whole words are stored.
    entry(&LEADERS, tgid).map_or(0, |k| unsafe { core::ptr::read_volatile(k) })
}

/// False: the number has no place.
#[inline(always)]
fn set_leader(tgid: u32, key: u64) -> bool {
    match entry(&LEADERS, tgid) {
        Some(k) => {
            // SAFETY: k points to a number.
            unsafe { core::ptr::write_volatile(k, key) };
            true
        }
        None => false,
    }
}

/// The record of a new process: what `b` says, below its creator, which counts it from here on.
#[inline(always)]
pub fn record(b: &Birth, creator: TaskKey, facts: Facts) -> Member {
    let mut m = Member::of(b);
    // SAFETY: a record of our own.
    unsafe { describe(&raw mut m, creator, facts) };
    m
}

/// # Safety
/// `m` points to a whole Member.
#[inline(always)]
unsafe fn describe(m: *mut Member, creator: TaskKey, facts: Facts) {
    // SAFETY: the caller's; a name is 16 bytes either way.
    unsafe {
        let place = lineage::below((*m).root, &creator);
        (*m).of_process = place.flags;
        (*m).inode = facts.inode;
        (*m).creator_start = creator.start;
        (*m).creator_tgid = creator.tgid;
        (*m).uid = facts.uid;
        (*m).born = task::boottime();
        (*m).comm = core::mem::transmute::<[u64; 2], [u8; 16]>(facts.comm);
        (*m).threads = 1;
        (*m).depth = place.depth;
        (*m).above = place.above;
    }
}

/// Writes the record of a process into its leader's element, and indexes it.
///
/// # Safety
/// `m` points to the element of `births` with the key `addr`.
#[inline(always)]
pub unsafe fn fill(m: *mut Member, addr: u64, creator: TaskKey, facts: Facts) {
    // SAFETY: the caller's.
    unsafe {
        describe(m, creator, facts);
        index(&*m, addr);
    }
}

/// Says where the record `m` stands, which is in `births` under `key` by now, and counts the process.
#[inline(always)]
pub fn index(m: &Member, key: u64) {
    // A number without a place (pid_max was raised since): its record stands apart as well.
    if !(task::LEADERS && set_leader(m.tgid, key)) {
        apart(m);
    }
    listed(m.tgid, m.root);
}

/// Lists a process under its root, and counts it.
#[inline(always)]
pub fn listed(tgid: u32, slot: u32) {
    member::index_set(tgid, slot as u16);
    member::one_more(slot);
}

/// A leader is registered after another thread of it was (a walk goes by numbers): the record that stood apart is its own now.
#[inline(always)]
pub fn is_here(addr: u64) {
    let Some(m) = BIRTHS.get_ptr_mut(&addr) else { return };
    // SAFETY: m points to a whole Member, old too.
    unsafe {
        let tgid = (*m).tgid;
        let Some(old) = BIRTHS.get_ptr_mut(&process_key(tgid)) else { return };
        copy(old, m);
        if set_leader(tgid, addr) {
            let _ = BIRTHS.remove(&process_key(tgid));
        }
    }
}

/// Puts a record in an element of its own.
#[inline(always)]
pub fn apart(m: &Member) {
    if BIRTHS.insert(&process_key(m.tgid), m, BPF_ANY as u64).is_err() {
        note(m.root, reason::INDEX);
    }
}

/// The record goes from `from` to a task's own element.
///
/// # Safety
/// Both point to elements of `births`.
#[inline(always)]
pub unsafe fn copy(from: *const Member, to: *mut Member) {
    // SAFETY: the caller's.
    unsafe {
        (*to).inode = (*from).inode;
        (*to).creator_start = (*from).creator_start;
        (*to).creator_tgid = (*from).creator_tgid;
        (*to).uid = (*from).uid;
        (*to).born = (*from).born;
        (*to).comm = (*from).comm;
        (*to).execs = (*from).execs;
        (*to).threads = (*from).threads;
        (*to).depth = (*from).depth;
        (*to).above = (*from).above;
        (*to).kids = (*from).kids;
        (*to).of_process = (*from).of_process;
    }
}

/// The current process has executed a program: its only task is its leader. One that was another thread until then takes the
/// record over (`fs/exec.c:de_thread`: the exit hook of the old leader is over by then, unless it was skipped).
///
/// # Safety
/// `own` points to the element of `births` with the key `addr`, the current task's.
#[inline(always)]
pub unsafe fn take_over(own: *mut Member, addr: u64) {
    // SAFETY: the caller's; `old` points to a whole Member.
    unsafe {
        let (tgid, flags) = ((*own).tgid, (*own).flags);
        if flags & B_THREAD == 0 {
            return;
        }
        let Some(old) = of(tgid) else {
            (*own).flags = flags & !B_THREAD;
            return;
        };
        copy(old, own);
        (*own).flags = flags & !B_THREAD | (*old).flags & (B_MAIN | B_CONTROL);
        if set_leader(tgid, addr) {
            // What the exit hook of the old leader has missed is no record any more. Not before: a reader may have come for it.
            (*old).flags |= B_THREAD;
            let _ = BIRTHS.remove(&process_key(tgid));
        }
    }
}

/// What a process that ends leaves behind for its creator; nobody: tgid 0.
///
/// # Safety
/// `m` points to an element of `births`.
#[inline(always)]
unsafe fn leaves(m: *mut Member, flags: u32) -> TaskKey {
    // SAFETY: the caller's.
    unsafe {
        if lineage::remember(m, flags) || (*m).of_process & B_KID == 0 {
            return TaskKey::default();
        }
        TaskKey { tgid: (*m).creator_tgid, pad: 0, start: (*m).creator_start }
    }
}

/// The process of this task has ended, whose element of `births` is `m` with the key `addr`: it leaves the list, and is remembered for
/// `tree` when it has forked. Answers who counted it, to be told by whom removes the element.
///
/// # Safety
/// `m` points to an element of `births`.
#[inline(always)]
pub unsafe fn ended(m: *mut Member, addr: u64, b: &Birth) -> TaskKey {
    if !stands_with(b) {
        // A leader's element is the leader's to remove: by its hook, which may be under way, or by the walk when that was skipped.
        ended_apart(b.tgid, b.leader_start, b.flags);
        return TaskKey::default();
    }
    // SAFETY: the caller's.
    let up = unsafe { leaves(m, b.flags) };
    unlist(addr, b);
    up
}

/// Whether the record of its process stands with this task: a leader's whose number has a place.
#[inline(always)]
fn stands_with(b: &Birth) -> bool {
    task::LEADERS && b.flags & B_THREAD == 0 && entry(&LEADERS, b.tgid).is_some()
}

/// Takes the process of this leader off the list, unless its number is another's by now.
#[inline(always)]
pub fn unlist(addr: u64, b: &Birth) {
    if b.flags & B_THREAD == 0 && leader(b.tgid) == addr {
        member::index_set(b.tgid, 0);
        set_leader(b.tgid, 0);
    }
}

/// The same of a process whose record stands apart. Two last threads may both come here: the one that removes it says so to its
/// creator, once.
#[inline(always)]
pub fn ended_apart(tgid: u32, start: u64, flags: u32) {
    process_ended_apart(tgid, start, flags);
}

/// As `lineage_gone`, a global function where there are calls.
#[cfg_attr(no_calls, inline(always))]
#[cfg_attr(not(no_calls), inline(never), unsafe(no_mangle))]
extern "C" fn process_ended_apart(tgid: u32, start: u64, flags: u32) -> i32 {
    let key = process_key(tgid);
    let Some(m) = BIRTHS.get_ptr_mut(&key) else { return 0 };
    // SAFETY: m points to a whole Member.
    let up = unsafe {
        if (*m).leader_start != start {
            return 0;
        }
        leaves(m, flags)
    };
    if leader(tgid) == 0 {
        member::index_set(tgid, 0);
    }
    if BIRTHS.remove(&key).is_ok() && up.tgid != 0 {
        lineage::gone(up);
    }
    0
}

/// A task ends, its process goes on. A leader leaves the record in an element of its own; to be called before its element is
/// removed, and `walk::alone` after that.
///
/// # Safety
/// `m` points to the task's element of `births`.
#[inline(always)]
pub unsafe fn goes_on(m: *mut Member, b: &Birth) {
    // SAFETY: the caller's; hooks on other CPUs change the count.
    unsafe {
        if b.flags & B_THREAD != 0 {
            if b.flags & B_FORKED != 0 {
                // The process remembers what this thread did.
                if let Some(p) = of(b.tgid) {
                    (*p).of_process |= B_FORKED;
                }
            }
            return;
        }
        if !stands_with(b) {
            return;
        }
        let kids = core::ptr::read_volatile(&raw const (*m).kids);
        apart(&*m);
        set_leader(b.tgid, 0);
        // What was counted meanwhile.
        let more = core::ptr::read_volatile(&raw const (*m).kids).wrapping_sub(kids);
        if more != 0 {
            if let Some(p) = BIRTHS.get_ptr_mut(&process_key(b.tgid)) {
                add32(&raw mut (*p).kids, more);
            }
        }
    }
}

/// A task that is not the current one has ended, and its process with it: both leave. True for the one caller whose delete it was.
#[inline(always)]
pub fn ends(addr: u64, b: &Birth) -> bool {
    let Some(m) = BIRTHS.get_ptr_mut(&addr) else { return false };
    // SAFETY: m points to the task's element.
    let up = unsafe { ended(m, addr, b) };
    let won = member::remove(addr, b);
    if won && up.tgid != 0 {
        lineage::gone(up);
    }
    won
}
