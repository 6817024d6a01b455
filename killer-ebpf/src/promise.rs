//! The dead man's switch of `run --kill-on-exit`: when the last process that bears a promise has ended, the kernel ends the set
//! (6.16+). On `sched_process_exit`, attached while there is a promise.
//!
//! The gate of the root is closed first. Then each process that ends on this host sends SIGKILL to some members, until a look at
//! all processes has found none that lives: the bearer itself begins, and the members that die of it go on. A process that ends
//! can do that because the hook comes before its memory is taken from it (`kernel/exit.c:do_exit`, 6.16+): signals to others are
//! refused to a task without (`kernel/trace/bpf_trace.c:bpf_send_signal_common`, `nmi_uaccess_okay`).
//!
//! A process is known by its task, which is held, and by what the hooks have registered for that task's address.
//!
//! An object of its own without relocations, as the sweep's: see `written_in`.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![allow(internal_features)]

mod object;
mod written_in;

use core::intrinsics::{self, AtomicOrdering};
use core::mem::MaybeUninit;

use killer_common::promise::{
    BEARERS, Bearer, DONE, DUE, Due, KEPT, LEASE, MOST, PAUSE, Promise, SAME_START,
};
use killer_common::record::{Birth, Control, Pop, RootRecord};
use killer_common::{MAX_DEPTH, MAX_ROOTS, gate};

use written_in::*;

/// `SIGKILL`
const SIGKILL: u32 = 9;
/// `SIGNAL_GROUP_EXIT`, `include/linux/sched/signal.h`: it dies already.
const GROUP_EXIT: u32 = 4;

// The maps, as `killer_common::promise::MAPS` has them.
const BIRTHS: u64 = 0;
const POP: u64 = 1;
const ROOTS: u64 = 2;
const CONTROL: u64 = 3;
const INDEX: u64 = 4;
const PROMISES: u64 = 5;
const THEY: u64 = 6;
const ALL_DUE: u64 = 7;

#[unsafe(no_mangle)]
#[unsafe(link_section = "promise")]
extern "C" fn on_promise(_: *const u64) -> i32 {
    let t = current();
    let me = tgid(t);
    let due: *mut Due = lookup(ALL_DUE, 0u32);
    let k: *const Bearer = lookup(THEY, me);
    if !k.is_null() {
        // SAFETY: the value is a whole Bearer.
        let k = unsafe { core::ptr::read_volatile(k) };
        let apart = k.start.abs_diff(leader_start(t));
        if apart < SAME_START && live(t) == 0 && !due.is_null() {
            // From before the bearer is taken away until it is known whether its promise is due: whoever sees neither detaches
            // this program.
            count(due, 1);
            // The delete is the claim: threads of a process may end at the same time.
            if !delete(THEY, me) || !lost(&k, due) {
                count(due, u64::MAX);
            }
        }
    }
    // SAFETY: the value is a whole Due.
    if !due.is_null() && unsafe { core::ptr::read_volatile(&raw const (*due).count) } != 0 {
        look(due);
    }
    0
}

fn monotonic() -> u64 {
    // SAFETY: no arguments.
    unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_ns() }
}

fn generation(slot: u32) -> Option<u32> {
    let r: *const RootRecord = lookup(ROOTS, slot);
    // SAFETY: the value is a whole RootRecord.
    (!r.is_null()).then(|| unsafe { core::ptr::read_volatile(&raw const (*r).generation) })
}

/// Changes the state of a promise in one step; answers the one before. Whoever has changed it counts it.
#[inline(always)]
fn change(p: *mut Promise, to: u64) -> u64 {
    // SAFETY: a word of a map's value, which lives as long as the program.
    unsafe { intrinsics::atomic_xchg::<u64, { AtomicOrdering::SeqCst }>(&raw mut (*p).state, to) }
}

/// Adds to the number of promises that are due.
#[inline(always)]
fn count(due: *mut Due, by: u64) {
    // SAFETY: as above.
    unsafe { intrinsics::atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*due).count, by) };
}

/// A bearer has ended. When it was the last one the promise is due (true), and the gate closes.
#[inline(always)]
fn lost(k: &Bearer, due: *mut Due) -> bool {
    let p: *mut Promise = lookup(PROMISES, k.slot);
    if p.is_null() || generation(k.slot) != Some(k.generation) {
        return false;
    }
    // SAFETY: the value is a whole Promise.
    let it = unsafe { core::ptr::read_volatile(p) };
    if it.generation != k.generation || it.state != KEPT {
        return false;
    }
    // Both may end at the same time: each has taken itself away before it looks for the other.
    let mut i = 0;
    while i < BEARERS {
        let other: *const Bearer = lookup(THEY, it.tgids[i]);
        // SAFETY: the value is a whole Bearer.
        if !other.is_null() && unsafe { (*other).slot == k.slot && (*other).generation == k.generation } {
            return false;
        }
        i += 1;
    }
    close(k.slot);
    if change(p, DUE) != KEPT {
        return false;
    }
    // SAFETY: words of whole values.
    unsafe {
        core::ptr::write_volatile(
            &raw mut (*p).due_at,
            aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns(),
        );
        core::ptr::write_volatile(&raw mut (*due).more, 1);
    }
    true
}

/// Closes the gate of a root, or goes on with it.
#[inline(always)]
fn close(slot: u32) {
    let c: *mut Control = lookup(CONTROL, slot);
    if c.is_null() {
        return;
    }
    let now = monotonic();
    // SAFETY: the value is a whole Control; user space exchanges the word atomically, and never for an earlier deadline.
    unsafe {
        let w = &raw mut (*c).gate;
        if gate::deadline(core::ptr::read_volatile(w)) < now + LEASE / 2
            || gate::kind_at(core::ptr::read_volatile(w), now) != gate::KILL
        {
            core::ptr::write_volatile(w, gate::word(gate::KILL, now + LEASE));
        }
    }
}

/// Opens the gate again: nobody is left. The lease of a command is much shorter.
#[inline(always)]
fn open(slot: u32, now: u64) {
    let c: *mut Control = lookup(CONTROL, slot);
    if c.is_null() {
        return;
    }
    // SAFETY: as above.
    unsafe {
        let w = &raw mut (*c).gate;
        if gate::deadline(core::ptr::read_volatile(w)) > now + LEASE / 4 {
            core::ptr::write_volatile(w, gate::OPEN);
        }
    }
}

/// Sends SIGKILL to members of roots whose promise is due.
#[inline(always)]
fn look(due: *mut Due) {
    let began = monotonic();
    let (figures, left) = mark();
    // SAFETY: the value is a whole Due.
    let last = unsafe { core::ptr::read_volatile(due) };
    // Everybody was sent it, and nobody was born: only an end has to be noticed.
    if last.more == 0 && last.figures == figures && left && began - last.looked < PAUSE {
        return;
    }
    let more = signal_all(began, last.zero);
    // SAFETY: as above.
    unsafe {
        core::ptr::write_volatile(&raw mut (*due).more, u64::from(more));
        core::ptr::write_volatile(&raw mut (*due).looked, began);
        core::ptr::write_volatile(&raw mut (*due).figures, figures);
    }
    if !more {
        finish(due, began);
    }
}

/// Notes at each root whether it is to end, and goes on with the gates. Of these roots: what moves when somebody is born there, or the
/// gate could not do its work; and whether a task is left.
#[inline(always)]
fn mark() -> (u64, bool) {
    let (mut sum, mut left) = (0u64, 0i64);
    each_slot(|slot| {
        let promise: *mut Promise = lookup(PROMISES, slot);
        if promise.is_null() {
            return;
        }
        let doomed = generation(slot).map_or(0, |generation| due_around(slot, generation));
        // SAFETY: the value is a whole Promise.
        unsafe { core::ptr::write_volatile(&raw mut (*promise).doomed, doomed) };
        if doomed == 0 {
            return;
        }
        if doomed == slot {
            close(slot);
        }
        let pop: *const Pop = lookup(POP, slot);
        if !pop.is_null() {
            // SAFETY: the value is a whole Pop.
            unsafe {
                sum += (*pop).inserts + (*pop).gate_errors + (*pop).misses;
                left |= (*pop).pop;
            }
        }
    });
    (sum, left != 0)
}

/// The slot of a root whose promise is due: this one of that generation, or one around it; 0: of none. A slot may have another use
/// by now, and a promise about an earlier one says nothing about this.
#[inline(always)]
fn due_around(slot: u32, generation: u32) -> u32 {
    let (mut s, mut want, mut found) = (slot, generation, 0);
    let mut it = MaybeUninit::<[u64; 1]>::uninit();
    iter_num_new(it.as_mut_ptr(), 0, MAX_DEPTH as i32 + 1);
    loop {
        if iter_num_next(it.as_mut_ptr()).is_null() || s == 0 {
            break;
        }
        let r: *const RootRecord = lookup(ROOTS, s);
        // SAFETY: the value is a whole RootRecord.
        if r.is_null() || unsafe { core::ptr::read_volatile(&raw const (*r).generation) } != want {
            break;
        }
        if let Some(p) = is_due(s)
            // SAFETY: the value is a whole Promise.
            && unsafe { core::ptr::read_volatile(&raw const (*p).generation) } == want
        {
            found = s;
            break;
        }
        // SAFETY: as above.
        unsafe {
            want = core::ptr::read_volatile(&raw const (*r).parent_generation);
            s = core::ptr::read_volatile(&raw const (*r).parent);
        }
    }
    iter_num_destroy(it.as_mut_ptr());
    found
}

/// The promise about a root, when it is due.
#[inline(always)]
fn is_due(slot: u32) -> Option<*mut Promise> {
    let p: *mut Promise = lookup(PROMISES, slot);
    // SAFETY: the value is a whole Promise.
    let due = !p.is_null() && unsafe { core::ptr::read_volatile(&raw const (*p).state) } == DUE;
    due.then_some(p)
}

/// Looks at all processes, and sends SIGKILL to so many members as one run may. True: there are more, or one could not be sent it.
#[inline(always)]
fn signal_all(began: u64, zero: u64) -> bool {
    let (mut sent, mut more) = (zero, zero);
    let mut it = MaybeUninit::<[u64; 3]>::uninit();
    iter_task_new(it.as_mut_ptr(), 0, ALL_PROCS);
    loop {
        let t = iter_task_next(it.as_mut_ptr());
        if t == 0 {
            break;
        }
        let slot = indexed(INDEX, tgid(t));
        if slot == 0 || !is_doomed(slot, began) || signal_flags(t) & GROUP_EXIT != 0 {
            continue;
        }
        if sent >= MOST {
            more = 1;
            break;
        }
        let held = task_acquire(t);
        if held == 0 {
            continue;
        }
        match send(held, SIGKILL, false, |t| is_member(t, slot)) {
            0 => sent += 1,
            r if r < 0 => more = 1,
            _ => {}
        }
    }
    iter_task_destroy(it.as_mut_ptr());
    more != 0
}

/// Whether a root is to end, at the last look. Notes that a member was seen.
#[inline(always)]
fn is_doomed(slot: u32, now: u64) -> bool {
    let p: *const Promise = lookup(PROMISES, slot);
    if p.is_null() {
        return false;
    }
    // SAFETY: the value is a whole Promise.
    let around: *mut Promise = lookup(PROMISES, unsafe { core::ptr::read_volatile(&raw const (*p).doomed) });
    // SAFETY: as above.
    unsafe {
        if around.is_null() || core::ptr::read_volatile(&raw const (*around).state) != DUE {
            return false;
        }
        core::ptr::write_volatile(&raw mut (*around).found, now);
    }
    true
}

/// Whether the hooks have registered this task for a root that is to end. Its entry is read first: whoever has made the root had done so
/// by then.
#[inline(always)]
fn is_member(t: Task, slot: u32) -> bool {
    let start = leader_start(t);
    let b: *const Birth = lookup(BIRTHS, t as u64);
    if b.is_null() {
        return false;
    }
    // SAFETY: the value is a whole Birth.
    let b = unsafe { core::ptr::read_volatile(b) };
    b.root == slot && (b.leader_start == start || b.leader_start == 0) && due_around(slot, b.generation) != 0
}

/// Promises of which a whole look has found no member are kept; those whose root is another one's now are, too.
#[inline(always)]
fn finish(due: *mut Due, began: u64) {
    each_slot(|slot| {
        let Some(p) = is_due(slot) else { return };
        // SAFETY: words of whole values.
        unsafe {
            // Another processor's look may have found somebody meanwhile.
            let found = core::ptr::read_volatile(&raw const (*p).found);
            if found < began && change(p, DONE) == DUE {
                count(due, u64::MAX);
                open(slot, began);
            }
        }
    });
}

/// Each slot that a root can have.
#[inline(always)]
fn each_slot(mut look: impl FnMut(u32)) {
    let mut it = MaybeUninit::<[u64; 1]>::uninit();
    iter_num_new(it.as_mut_ptr(), 1, MAX_ROOTS as i32);
    loop {
        let n = iter_num_next(it.as_mut_ptr());
        if n.is_null() {
            break;
        }
        // SAFETY: points to a number.
        look(unsafe { core::ptr::read_volatile(n) } as u32);
    }
    iter_num_destroy(it.as_mut_ptr());
}
