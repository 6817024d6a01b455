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
use crate::{element, gate as gates, instance, lineage, process, slot as slots, task, words};

/// Slots that are looked at; those that are held go back to the queue.
const TRIES: u32 = 4;
/// `SIGKILL`
const SIGKILL: u32 = 9;

/// Opens what an exec of the current process has matched.
#[inline(always)]
pub fn open() {
    let was = rule_leaves();
    if was == 0 || rule_slot() == 0 {
        return;
    }
    if rule_record() == 0 {
        return;
    }
    // From one root into another, in one step for its own hooks: the current process is here and not in its exit. What cannot be put
    // into the new one stays in the old one; what cannot be put there either is said of it.
    if was == MEMBER && rule_out() == 0 {
        return rule_back();
    }
    if rule_in(NEW) == 0 {
        if was == MEMBER && rule_in(OLD) == 0 {
            rule_lost();
        }
        return rule_back();
    }
    rule_live();
}

/// Answers of [`rule_leaves`] beside 0: it may open, and was in no root, or in one.
const STRANGER: u32 = 1;
const MEMBER: u32 = 2;
/// What is registered.
const OLD: u32 = 0;
const NEW: u32 = 1;

/// The current task's element.
macro_rules! mine {
    () => {
        match element::mine() {
            // SAFETY: it points to a whole Matched, which nobody else writes.
            Some(m) => unsafe { &mut *m },
            None => return 0,
        }
    };
}

/// Stage: what the process is a member of, and whether it may leave that. 0: it may not.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_leaves() -> u32 {
    let m = mine!();
    m.old.root = 0;
    let addr = task::current_addr();
    let Some(b) = BIRTHS.get_ptr_mut(&addr) else { return STRANGER };
    // SAFETY: b points to the task's element.
    unsafe {
        if (*b).leader_start != m.start {
            return STRANGER;
        }
        process::take_over(b, addr);
        m.old = *b;
    }
    if m.old.root == 0 {
        STRANGER
    } else if may_leave(m) {
        MEMBER
    } else {
        0
    }
}

/// Stage: a free slot on whose line no lease holds, with a new generation. 0: there is none, which is counted.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_slot() -> u32 {
    let m = mine!();
    let mut i = 0;
    while i < TRIES {
        let Ok(Some(slot)) = FREE_SLOTS.pop() else { break };
        if !(POOL_FIRST..CANARY_SLOT).contains(&slot) {
            break;
        }
        if rule_claim(slot) != 0 {
            m.slot = slot;
            return slot;
        }
        let _ = FREE_SLOTS.push(slot, 0);
        i += 1;
    }
    no_slot(m.old.root);
    0
}

/// Stage: makes this slot a new root. 0: a command works with it, or it is not free.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_claim(slot: u32) -> u32 {
    let (Some(r), Some(p)) = (member::root(slot), member::pop(slot)) else { return 0 };
    // SAFETY: r and p point to whole records.
    unsafe {
        if held(slot)
            || core::ptr::read_volatile(&raw const (*p).pop) != 0
            || core::ptr::read_volatile(&raw const (*r).state) != R_FREE
        {
            return 0;
        }
        slots::fresh(slot, r, p);
    }
    1
}

/// Stage: the record of the slot, and its entry in `instances`. 0: it went back.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_record() -> u32 {
    let m = mine!();
    let slot = m.slot;
    let Some(r) = member::root(slot) else { return 0 };
    // SAFETY: r points to a whole RootRecord that nobody else changes; the name is aligned to 8.
    unsafe {
        let name = (&raw mut (*r).name) as *mut u64;
        let mut i = 0;
        while i < NAME_LEN / 8 {
            core::ptr::write_volatile(name.add(i), m.name[i]);
            i += 1;
        }
        (*r).from = m.old.root;
        (*r).from_generation = m.old.generation;
        (*r).command_len = words::keep(m, (&raw mut (*r).command).cast());
        (*r).flags = R_INSTANCE | if is_control(m) { R_SCRIPT } else { 0 };
        (*r).opener_tgid = task::current_tgid();
        (*r).opener_start = m.start;
        m.generation = (*r).generation;
    }
    if INSTANCES.insert(&Instance { slot, generation: m.generation }, &1, BPF_NOEXIST as u64).is_err() {
        // SAFETY: as above.
        unsafe { core::ptr::write_volatile(&raw mut (*r).state, R_FREE) };
        let _ = FREE_SLOTS.push(slot, 0);
        no_slot(m.old.root);
        return 0;
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
    1
}

/// The opener is a control process: it starts the service, and is none of it.
#[inline(always)]
fn is_control(m: &Matched) -> bool {
    m.kind == SCRIPT || m.kind == ARGUMENT
}

#[inline(always)]
fn birth(m: &Matched) -> Birth {
    Birth {
        root: m.slot,
        generation: m.generation,
        flags: m.old.flags & B_FORKED | if is_control(m) { B_CONTROL } else { 0 },
        tgid: task::current_tgid(),
        leader_start: m.start,
        walk: 0,
    }
}

/// Stage: out of the old root. 0: somebody else has taken it out.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_out() -> u32 {
    let m = mine!();
    let old = m.old.birth();
    member::remove(task::current_addr(), &old) as u32
}

/// Stage: into the new root, or back into the old one. 0: there was no room.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_in(which: u32) -> u32 {
    let m = mine!();
    let mut member = m.old;
    if which == NEW {
        let b = birth(m);
        if m.old.root == 0 {
            let facts = task::Facts { comm: m.comm, inode: m.inode, uid: m.uid };
            member = process::record(&b, TaskKey::default(), facts);
        } else {
            // Its lineage goes on, with what it has done.
            // SAFETY: a record of our own.
            unsafe { lineage::moved(&raw mut member, &b) };
        }
    }
    member::register(&mut Newborn { addr: task::current_addr(), member, counted: false }) as u32
}

/// Stage: neither root has it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_lost() -> u32 {
    let m = mine!();
    member::note(m.old.root, reason::MAP_FULL);
    0
}

/// Stage: the slot goes back.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_undo() -> u32 {
    let m = mine!();
    instance::give_back(m.slot, m.generation);
    0
}

#[inline(always)]
fn rule_back() {
    rule_undo();
}

/// Stage: the index entry, the main process, LIVE. A KILL that closed the gate before it moved counts it in; one that comes later finds
/// it outside.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_live() -> u32 {
    let m = mine!();
    index(m);
    let Some(r) = member::root(m.slot) else { return 0 };
    // SAFETY: r points to a whole RootRecord.
    unsafe {
        if !is_control(m) {
            (*r).main_tgid = task::current_tgid();
            (*r).main_start = m.start;
        }
        core::ptr::write_volatile(&raw mut (*r).state, R_LIVE);
    }
    if m.old.root != 0 && holds(m.old.root) == gate::KILL {
        // SAFETY: signals the current task's own group.
        unsafe { aya_ebpf::helpers::generated::bpf_send_signal(SIGKILL) };
    }
    1
}

#[inline(always)]
fn index(m: &Matched) {
    let addr = task::current_addr();
    // SAFETY: plain data.
    if let Some(its) = unsafe { BIRTHS.get(&addr) } {
        if its.root == m.slot {
            process::index(its, addr);
        }
    }
}

#[inline(never)]
fn holds(slot: u32) -> u64 {
    gates::holds(slot)
}

#[inline(never)]
fn holds_at_birth(slot: u32) -> u64 {
    gates::holds_at_birth(slot)
}

/// Whether a member may go. A plain `run` has promised every descendant, a killed or frozen set lets nobody out.
#[inline(always)]
fn may_leave(m: &Matched) -> bool {
    if holds_at_birth(m.old.root) != gate::OPEN {
        return false;
    }
    let mut s = m.old.root;
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
