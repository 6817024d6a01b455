//! Which process forked which, for people: ancestors are remembered as long as they have living descendants.
//!
//! Each process counts its children that are not gone (`Member.kids`): up at a birth, down when a child ends that has none
//! itself. One that ends with children goes to `ancestors`, from where nothing is evicted, and leaves it with its last one; one
//! that ends without goes to `dead`, the last of which are kept. Adds and reads are no one step, so two ends at once can leave an
//! entry too long: user space lets it go (`ctl::LET_GO`). Nothing here decides membership.

use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use killer_common::record::*;

use crate::maps::*;
use crate::member::{EEXIST, add32, add64, root};
use crate::{knobs, process, task};

/// An element of one map as the value for another. Kernels before 4.18 take values from the stack only
/// (`kernel/bpf/verifier.c:check_func_arg`), which the programs for newer ones have little of.
#[cfg(not(no_calls))]
macro_rules! value {
    ($m:expr) => {
        &*$m
    };
}
#[cfg(no_calls)]
macro_rules! value {
    ($m:expr) => {
        &core::ptr::read($m)
    };
}

/// Where a newborn stands.
#[derive(Clone, Copy, Default)]
pub struct Place {
    /// `B_KID` when its creator counts it.
    pub flags: u32,
    /// As in [`Member`].
    pub depth: u32,
    /// As in [`Member`].
    pub above: u32,
}

/// The place of a newborn of root `slot`, which its creator counts from here on when that is a member.
#[inline(always)]
pub fn below(slot: u32, creator: &TaskKey) -> Place {
    let none = Place::default();
    if creator.tgid == 0 {
        return none;
    }
    let Some(c) = process::of_key(creator) else { return none };
    // SAFETY: c points to a whole Member.
    unsafe {
        add32(&raw mut (*c).kids, 1);
        let (depth, above) = ((*c).depth, (*c).above);
        // A launcher in an outer service: what is above belongs to that one.
        if (*c).root == slot {
            Place { flags: B_KID, depth: depth + 1, above }
        } else {
            Place { flags: B_KID, depth: 0, above: above + depth + 1 }
        }
    }
}

/// Remembers a process that ends: for good while it has children, else for a while when it has forked. `flags`: of the task
/// that is its last. True: it has children. Nothing is copied to the stack: some programs have little of it left.
///
/// # Safety
/// `m` points to the record of a process in `births`.
#[inline(always)]
pub unsafe fn remember(m: *mut Member, flags: u32) -> bool {
    // SAFETY: the caller's; hooks on other CPUs change the count.
    unsafe {
        let kids = core::ptr::read_volatile(&raw const (*m).kids);
        if kids == 0 && ((*m).of_process | flags) & B_FORKED == 0 {
            return false;
        }
        (*m).ended = task::boottime();
        let key = TaskKey { tgid: (*m).tgid, pad: 0, start: (*m).leader_start };
        if kids == 0 || !keep(&key, m) {
            let _ = DEAD.insert(&key, value!(m), BPF_ANY as u64);
        }
        kids != 0
    }
}

/// False: there is no place for it, or its root has had its share.
#[inline(always)]
fn keep(key: &TaskKey, m: *const Member) -> bool {
    // SAFETY: m points to a whole Member, r to a whole RootRecord.
    unsafe {
        let Some(r) = root((*m).root) else { return false };
        if core::ptr::read_volatile(&raw const (*r).ancestors) as i64 >= knobs::ancestors_most() as i64 {
            return false;
        }
        match ANCESTORS.insert(key, value!(m), BPF_NOEXIST as u64) {
            Ok(()) => {
                count(r, 1);
                true
            }
            Err(e) => e == EEXIST,
        }
    }
}

#[inline(always)]
fn count(r: *mut RootRecord, v: i64) {
    // SAFETY: r points to a whole RootRecord, g to a whole Global.
    unsafe {
        add64(&raw mut (*r).ancestors, v as u64);
        if let Some(g) = GLOBAL.get_ptr_mut(0) {
            add64(&raw mut (*g).ancestors, v as u64);
        }
    }
}

/// A child of this process is gone; when that was the last one of a dead process, it goes, too, and so on upwards.
#[inline(always)]
pub fn gone(creator: TaskKey) {
    lineage_gone(creator.tgid, creator.start);
}

/// A global function where there are calls: the verifier goes through it once, not at each call (5.6+,
/// `kernel/bpf/verifier.c:do_check_subprogs`).
#[cfg_attr(no_calls, inline(always))]
#[cfg_attr(not(no_calls), inline(never), unsafe(no_mangle))]
extern "C" fn lineage_gone(tgid: u32, start: u64) -> i32 {
    let mut k = TaskKey { tgid, pad: 0, start };
    let mut i = 0;
    while i < knobs::MOST_UP {
        // The dead first: an entry between the two maps is counted down where it will be looked for.
        let Some(d) = ANCESTORS.get_ptr_mut(&k) else {
            if let Some(m) = process::of_key(&k) {
                // SAFETY: m points to a whole Member.
                add32(unsafe { &raw mut (*m).kids }, u32::MAX);
            }
            return 0;
        };
        // SAFETY: d points to a whole Member.
        unsafe {
            add32(&raw mut (*d).kids, u32::MAX);
            if core::ptr::read_volatile(&raw const (*d).kids) != 0 {
                return 0;
            }
        }
        let Some(up) = release(&k) else { return 0 };
        k = up;
        i += 1;
    }
    0
}

/// An entry of `ancestors` goes to `dead`; answers its parent, when that one counts it. `None`: another task has taken it,
/// or no process counts it.
#[inline(always)]
fn release(k: &TaskKey) -> Option<TaskKey> {
    // SAFETY: plain data.
    let d = unsafe { ANCESTORS.get(k) }?;
    let (flags, slot) = (d.of_process, d.root);
    let up = TaskKey { tgid: d.creator_tgid, pad: 0, start: d.creator_start };
    // SAFETY: d is a whole Member.
    let _ = unsafe { DEAD.insert(k, value!(core::ptr::from_ref(d)), BPF_ANY as u64) };
    if ANCESTORS.remove(k).is_err() {
        return None;
    }
    if let Some(r) = root(slot) {
        count(r, -1);
    }
    if flags & B_KID != 0 { Some(up) } else { None }
}

/// On request: an entry without living descendants; 1 when it was there.
#[inline(always)]
pub fn let_go(k: &TaskKey) -> i32 {
    // SAFETY: plain data.
    if unsafe { ANCESTORS.get(k) }.is_none() {
        return 0;
    }
    if let Some(up) = release(k) {
        gone(up);
    }
    1
}

/// The record of a process that moves into another root: its lineage is as it was, its place begins anew.
///
/// # Safety
/// `m` points to a whole record.
#[inline(always)]
pub unsafe fn moved(m: *mut Member, b: &Birth) {
    // SAFETY: the caller's.
    unsafe {
        (*m).root = b.root;
        (*m).generation = b.generation;
        (*m).flags = b.flags;
        (*m).depth = 0;
        (*m).above = 0;
    }
}
