//! Opening an instance: the current process leaves the root that it is in and becomes the first member of a new one. It moves,
//! it never joins: a root that lives takes nobody in, so its "0 is absorbing" stays true.
//!
//! Order (docs/internals/PROTOCOL.md): a slot out of the queue → no lease on its line → generation, record → `instances` → the old
//! membership is claimed → registered → index → LIVE → the old root's gate is read again.

use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use killer_common::record::*;
use killer_common::rule::*;
use killer_common::{CANARY_SLOT, MAX_DEPTH, NAME_LEN, POOL_FIRST, gate, reason};

use crate::maps::*;
use crate::member::{self, Newborn, add64};
use crate::rule_maps::*;
use crate::words::{self, Words};
use crate::{gate as gates, instance, lineage, slot as slots, task};

/// Slots that are looked at; those that are held go back to the queue.
const TRIES: u32 = 4;
/// `SIGKILL`
const SIGKILL: u32 = 9;

/// Opens what an exec of the current process has matched.
#[inline(never)]
pub fn open(t: task::Task, m: &Matched, w: &Words) {
    let cur = task::current_addr();
    let tgid = task::current_tgid();
    let start = task::leader_start(t);
    let mut old = Birth::default();
    // SAFETY: plain data.
    if let Some(b) = unsafe { BIRTHS.get(&cur) } {
        if b.leader_start == start {
            old = *b;
        }
    }
    if old.root != 0 && !may_leave(&old, m) {
        return;
    }
    let slot = claim_slot();
    let Some(r) = member::root(slot) else { return no_slot(old.root) };
    // SAFETY: r points to a whole RootRecord.
    let generation = unsafe {
        fill(r, m, w, &old);
        (*r).opener_tgid = tgid;
        (*r).opener_start = start;
        (*r).generation
    };
    let key = Instance { slot, generation };
    if INSTANCES.insert(&key, &1, BPF_NOEXIST as u64).is_err() {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(&raw mut (*r).state, R_FREE) };
        let _ = FREE_SLOTS.push(slot, 0);
        no_slot(old.root);
        return;
    }
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global.
        unsafe {
            add64(&raw mut (*g).opened, 1);
            if (*g).high_instance < slot as u64 {
                (*g).high_instance = slot as u64;
            }
        }
    }
    let control = m.kind == SCRIPT || m.kind == ARGUMENT;
    let birth = Birth {
        root: slot,
        generation,
        flags: old.flags & B_FORKED | if control { B_CONTROL } else { 0 },
        tgid,
        leader_start: start,
        walk: 0,
    };
    if !moved(cur, &old, &birth) {
        instance::give_back(slot, generation);
        return;
    }
    index(t, old.root, &birth);
    // SAFETY: r points to a whole RootRecord.
    unsafe {
        if !control {
            (*r).main_tgid = tgid;
            (*r).main_start = start;
        }
        core::ptr::write_volatile(&raw mut (*r).state, R_LIVE);
    }
    // A KILL that closed the gate before it moved counts it in; one that comes later finds it outside.
    if old.root != 0 && holds(old.root) == gate::KILL {
        // SAFETY: signals the current task's own group.
        unsafe { aya_ebpf::helpers::generated::bpf_send_signal(SIGKILL) };
    }
}

/// From one root into another, in one step for its own hooks: the current process is here and not in its exit. What cannot be put
/// into the new one stays in the old one; what cannot be put there either is said of it.
#[inline(always)]
fn moved(cur: u64, old: &Birth, birth: &Birth) -> bool {
    if old.root != 0 && take_out(cur, old) == 0 {
        return false;
    }
    if put_in(cur, birth) != 0 {
        return true;
    }
    if old.root != 0 && put_in(cur, old) == 0 {
        member::note(old.root, reason::MAP_FULL);
    }
    false
}

/// Functions of their own, as [`may_leave`] and [`claim_slot`] are: where one returns the verifier compares the few states that
/// are left, and goes on with one of those that are equal. Inlined, the ways through them multiply (6.1 did not get to the end).
#[inline(never)]
fn take_out(cur: u64, old: &Birth) -> u32 {
    member::remove(cur, old) as u32
}

#[inline(never)]
fn put_in(cur: u64, birth: &Birth) -> u32 {
    member::register(&Newborn { addr: cur, birth: *birth, counted: false }) as u32
}

/// The index entry: of one that was a member it goes on, with what it has done.
#[inline(never)]
fn index(t: task::Task, old: u32, b: &Birth) {
    if old != 0 {
        if let Some(m) = MEMBERS.get_ptr_mut(&b.tgid) {
            // SAFETY: m points to a whole Member.
            unsafe {
                if (*m).leader_start == b.leader_start {
                    lineage::moved(m, b);
                    return;
                }
            }
        }
    }
    member::index(t, b, TaskKey::default());
}

#[inline(never)]
fn holds(slot: u32) -> u64 {
    gates::holds(slot)
}

/// Whether a member may go. A plain `run` has promised every descendant, a killed or frozen set lets nobody out.
#[inline(never)]
fn may_leave(old: &Birth, m: &Matched) -> bool {
    if holds(old.root) != gate::OPEN {
        return false;
    }
    let mut s = old.root;
    let mut i = 0;
    while i <= MAX_DEPTH {
        let Some(r) = member::root(s) else { return true };
        // SAFETY: r points to a whole RootRecord.
        let flags = unsafe { core::ptr::read_volatile(&raw const (*r).flags) };
        if flags & (R_INSTANCE | R_ADOPTED | R_SERVICE) == 0 {
            stays(s, r, m);
            return false;
        }
        // SAFETY: as above.
        unsafe {
            if i == 0 && flags & R_INSTANCE != 0 && m.kind == PROGRAM && same_name(r, m) {
                return false;
            }
            s = core::ptr::read_volatile(&raw const (*r).parent);
        }
        if s == 0 {
            return true;
        }
        i += 1;
    }
    false
}

/// # Safety
/// `r` points to a whole record.
#[inline(always)]
unsafe fn same_name(r: *mut RootRecord, m: &Matched) -> bool {
    // SAFETY: the caller's; the name is aligned to 8.
    let name = unsafe { (&raw const (*r).name) as *const u64 };
    let mut i = 0;
    while i < NAME_LEN / 8 {
        // SAFETY: as above.
        if unsafe { *name.add(i) } != m.name[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// A service that starts inside of a root which keeps its descendants: counted, so that `status` can say it.
#[inline(never)]
fn stays(slot: u32, r: *mut RootRecord, m: &Matched) {
    // SAFETY: r points to a whole RootRecord.
    let generation = unsafe {
        add64(&raw mut (*r).stayed, 1);
        (*r).generation
    };
    let key = Inside { slot, generation, name: m.name };
    match STAYED.get_ptr_mut(&key) {
        Some(n) => add64(n, 1),
        None => {
            let _ = STAYED.insert(&key, &1, BPF_ANY as u64);
        }
    }
}

/// Counts a match for which there was no place; against the root that the process stays in, too.
#[inline(never)]
pub fn no_slot(old: u32) {
    if old != 0 {
        member::note(old, reason::RULE_SLOTS);
    }
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global.
        add64(unsafe { &raw mut (*g).rule_slots }, 1);
    }
}

/// A free slot on whose line no lease holds, with a new generation; 0: there is none.
#[inline(never)]
fn claim_slot() -> u32 {
    let mut i = 0;
    while i < TRIES {
        let Ok(Some(slot)) = FREE_SLOTS.pop() else { return 0 };
        if !(POOL_FIRST..CANARY_SLOT).contains(&slot) {
            return 0;
        }
        let (Some(r), Some(p)) = (member::root(slot), member::pop(slot)) else { return 0 };
        // SAFETY: r and p point to whole records.
        unsafe {
            if !held(slot)
                && core::ptr::read_volatile(&raw const (*p).pop) == 0
                && core::ptr::read_volatile(&raw const (*r).state) == R_FREE
            {
                slots::fresh(slot, r, p);
                return slot;
            }
        }
        let _ = FREE_SLOTS.push(slot, 0);
        i += 1;
    }
    0
}

/// A command works with this slot: what it found in it may not become another service meanwhile.
#[inline(always)]
fn held(slot: u32) -> bool {
    let Some(c) = CONTROL.get_ptr(slot) else { return true };
    let now = task::monotonic();
    // SAFETY: c points to a whole Control; user space stores each word atomically.
    unsafe {
        let word = core::ptr::read_volatile(&raw const (*c).gate);
        gate::kind_at(word, now) != gate::OPEN
            || core::ptr::read_volatile(&raw const (*c).hold) > now
            || core::ptr::read_volatile(&raw const (*c).epoch) != 0
                && core::ptr::read_volatile(&raw const (*c).until) > now
    }
}

/// # Safety
/// `r` points to a whole record that nobody else changes.
#[inline(always)]
unsafe fn fill(r: *mut RootRecord, m: &Matched, w: &Words, old: &Birth) {
    // SAFETY: the caller's; the name is aligned to 8.
    unsafe {
        let name = (&raw mut (*r).name) as *mut u64;
        let mut i = 0;
        while i < NAME_LEN / 8 {
            core::ptr::write_volatile(name.add(i), m.name[i]);
            i += 1;
        }
        (*r).from = old.root;
        (*r).from_generation = old.generation;
        (*r).command_len = words::keep(w, (&raw mut (*r).command).cast());
        (*r).flags = R_INSTANCE | if m.kind == SCRIPT || m.kind == ARGUMENT { R_SCRIPT } else { 0 };
    }
}
