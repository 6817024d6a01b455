//! `adopt --move`: one member and what descends from it go over to the root that the walk fills, while they run.
//!
//! A membership has one value for its whole life, because whatever removes it counts down the root that it has read. So a move
//! is an end and a birth: the delete of the old entry is claimed as every end is, and then the new one goes in. The task may
//! end meanwhile. PF_EXITING comes before its exit hook (`kernel/exit.c:do_exit`): a task that is not exiting *after* the claim reads
//! its entry later than that, so it cannot count down the old root any more; one that is has ended in the old root. It may fork
//! meanwhile: the hooks log the edge (adopt mode), and a later pass takes the child in. One walk moves at a time, and no other.

use killer_common::gate as gate_kind;
use killer_common::reason;
use killer_common::record::*;

use crate::maps::*;
use crate::member::{self, Newborn, add64};
use crate::task::{self, PF_EXITING, Task};
use crate::walk::{self, MAX_HOPS};
use crate::{gate, lineage, process};

/// Whether this walk moves this member.
#[inline(always)]
pub fn chosen(g: &Global, t: Task, b: &Birth) -> bool {
    if g.move_from == 0 || b.root != g.move_from || b.generation != g.move_generation {
        return false;
    }
    // The lease goes with the adopter; its task is the only one that may move.
    if g.move_by != task::current_addr() || g.adopt_until <= task::monotonic() || g.adopt_slot == 0 {
        return false;
    }
    let me = TaskKey { tgid: b.tgid, pad: 0, start: b.leader_start };
    if walk::belongs(g, &me) {
        // A thread of a process that has been moved.
        return true;
    }
    if walk::first(g, &me) && (g.adopt_inode == 0 || g.adopt_inode == task::inode(t)) {
        return true;
    }
    descends(g, &me)
}

/// Whether a member descends from what has been moved: along its recorded creators, the dead ones included.
#[inline(always)]
fn descends(g: &Global, me: &TaskKey) -> bool {
    // SAFETY: plain data.
    let Some(m) = (unsafe { process::of_key(me).map(|m| &*m) }) else { return false };
    let mut k = TaskKey { tgid: m.creator_tgid, pad: 0, start: m.creator_start };
    let mut i = 0;
    while i < MAX_HOPS {
        if k.tgid == 0 {
            return false;
        }
        if walk::first(g, &k) || walk::belongs(g, &k) {
            return true;
        }
        // SAFETY: plain data.
        let up = unsafe {
            match process::of_key(&k) {
                // A living member between: it is met on its own, and moved before this one is asked again.
                Some(_) => return false,
                None => DEAD.get(&k).or_else(|| ANCESTORS.get(&k)),
            }
        };
        let Some(d) = up else { return false };
        k = TaskKey { tgid: d.creator_tgid, pad: 0, start: d.creator_start };
        i += 1;
    }
    // Too many dead ones between: whether it descends from it is not known.
    member::note(g.adopt_slot, reason::ADOPT_UNSURE);
    false
}

/// Moves it. A killed or frozen set lets nobody out, and a broadcast under way reaches everybody first: a later pass asks again.
#[inline(always)]
pub fn over(g: &mut Global, newborn: &mut Newborn, t: Task, old: &Birth) {
    add64(&raw mut g.added, 1);
    if gate::holds(old.root) != gate_kind::OPEN || in_broadcast(old.root) {
        return;
    }
    let addr = newborn.addr;
    let Some(p) = BIRTHS.get_ptr_mut(&addr) else { return };
    // SAFETY: p points to a whole Member.
    newborn.member = unsafe { *p };
    if !member::remove(addr, old) {
        return;
    }
    if task::flags(t) & PF_EXITING != 0 {
        // Its exit hook may have read the old entry: then it has ended there, and this was its claim.
        let m = &raw mut newborn.member;
        // SAFETY: m points to a whole record, a copy of our own.
        unsafe {
            if task::live(t) == 0 {
                let up = process::ended(m, addr, old);
                if up.tgid != 0 {
                    lineage::gone(up);
                }
            } else {
                process::goes_on(m, old);
                walk::alone(t, old);
            }
        }
        return;
    }
    let birth = Birth {
        root: g.adopt_slot,
        generation: g.adopt_generation,
        flags: old.flags & (B_THREAD | B_FORKED) | B_ADOPTED,
        ..*old
    };
    place(&mut newborn.member, &birth);
    if !member::register(newborn) {
        // It is in neither set now: both say so.
        member::note(old.root, reason::MAP_FULL);
        return;
    }
    add64(&raw mut g.moved, 1);
    index(old, &birth);
    // It may have passed its exit hook between the look and the insert, as in every walk.
    if task::flags(t) & PF_EXITING != 0 {
        walk::ends(t, addr, &birth);
    }
}

/// What the record says of its place: its depth below the first, when its creator has been moved before.
#[inline(always)]
fn place(m: &mut Member, b: &Birth) {
    let creator = TaskKey { tgid: m.creator_tgid, pad: 0, start: m.creator_start };
    // SAFETY: m is a whole record, c points to one.
    unsafe {
        lineage::moved(m, b);
        if let Some(c) = process::of_key(&creator) {
            if (*c).root == b.root {
                m.depth = (*c).depth + 1;
            }
        }
    }
}

#[inline(always)]
fn index(old: &Birth, b: &Birth) {
    if let Some(r) = member::root(old.root) {
        // SAFETY: r points to a whole RootRecord.
        unsafe {
            if (*r).main_tgid == b.tgid && (*r).main_start == b.leader_start {
                (*r).main_tgid = 0;
                (*r).main_start = 0;
            }
        }
    }
    if b.flags & B_THREAD == 0 {
        return process::listed(b.tgid, b.root);
    }
    // The first thread of it takes a process along whose leader has ended.
    let Some(m) = BIRTHS.get_ptr_mut(&process_key(b.tgid)) else { return };
    // SAFETY: m points to a whole Member.
    unsafe {
        if (*m).leader_start == b.leader_start && ((*m).root, (*m).generation) != (b.root, b.generation) {
            place(&mut *m, &Birth { flags: b.flags & !B_THREAD, ..*b });
            process::listed(b.tgid, b.root);
        }
    }
}

#[inline(always)]
fn in_broadcast(slot: u32) -> bool {
    let Some(c) = CONTROL.get_ptr(slot) else { return false };
    // SAFETY: c points to a whole Control; user space stores each word atomically.
    unsafe {
        core::ptr::read_volatile(&raw const (*c).epoch) != 0
            && core::ptr::read_volatile(&raw const (*c).until) > task::monotonic()
    }
}
