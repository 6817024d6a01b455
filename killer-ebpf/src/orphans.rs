//! Children of an ending task that are in no map: every fork hook of theirs was skipped (7.0+, F18). They
//! are registered before they are reparented, while the ending task still counts, so "empty" is not said between.
//!
//! A program of its own: it is skipped on its own, and its refusal (`bpf_loop` is 5.17+, probe_read is refused under
//! lockdown=confidentiality) costs nothing else. The list is walked without its lock: a child that is released meanwhile
//! is not freed before the end of the RCU section that the program runs in.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use killer_common::record::*;

use crate::knobs::*;
use crate::maps::*;
use crate::member::{self, Newborn, add64};
use crate::process;
use crate::task::{self, Facts, PF_EXITING};

/// `SIGNAL_UNKILLABLE`: init of a PID namespace, which is given children that it has not forked.
const SIGNAL_UNKILLABLE: u32 = 0x40;
/// More children are left to their own ends.
const MOST: u32 = 8192;

struct At {
    head: u64,
    next: u64,
    parent: Birth,
}

#[inline(always)]
fn read<T>(addr: u64) -> Option<T> {
    // SAFETY: a fault is an error, not a crash.
    unsafe { bpf_probe_read_kernel(addr as *const T) }.ok()
}

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_orphans(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let addr = task::arg_key(ctx, 0);
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&addr) }) else { return 0 };
    let parent = b.birth();
    let t = task::arg(ctx, 0);
    if parent.leader_start != task::leader_start(t) || task::signal_flags(t) & SIGNAL_UNKILLABLE != 0 {
        return 0;
    }
    let head = addr + off_children() as u64;
    let Some(next) = read::<u64>(head) else { return 0 };
    let mut at = At { head, next, parent };
    // SAFETY: callback and context are of this program.
    unsafe {
        aya_ebpf::helpers::generated::bpf_loop(MOST, step as *mut c_void, (&raw mut at).cast(), 0);
    }
    0
}

extern "C" fn step(_i: u64, at: *mut At) -> i64 {
    // SAFETY: the kernel passes our own context.
    let a = unsafe { &mut *at };
    if a.next == a.head {
        return 1;
    }
    let child = a.next - off_sibling() as u64;
    let Some(next) = read::<u64>(a.next) else { return 1 };
    a.next = next;
    // SAFETY: plain data.
    if unsafe { BIRTHS.get(&child) }.is_none() && !has_left(child) {
        take(child, &a.parent);
    }
    0
}

/// Whether a process was there before its root was made: no walk of the adoption has come to it yet.
#[inline(always)]
fn before(slot: u32, start: u64) -> bool {
    match member::root(slot) {
        // SAFETY: r points to a whole RootRecord.
        Some(r) => start < unsafe { core::ptr::read_volatile(&raw const (*r).born) },
        None => false,
    }
}

/// A `killer` that has left the set which it is about to end (`--include-self`).
#[inline(always)]
fn has_left(child: u64) -> bool {
    let Some(g) = GLOBAL.get_ptr(0) else { return false };
    // SAFETY: g points to a whole Global.
    let left = unsafe { core::ptr::read_volatile(&raw const (*g).left) };
    left[0] == child || left[1] == child || left[2] == child || left[3] == child
}

#[inline(always)]
fn take(child: u64, parent: &Birth) -> Option<()> {
    // PF_EXITING comes before the exit hook, exit_state after it (`kernel/exit.c:do_exit`): a child without an entry that is
    // between the two has been claimed already and was never missed. Seen: 15 false misses in 9,600 forks.
    if read::<u32>(child + off_flags() as u64)? & PF_EXITING != 0
        || read::<u32>(child + off_exit_state() as u64)? != 0
    {
        return None;
    }
    let tgid = read::<u32>(child + off_tgid() as u64)?;
    let start = read::<u64>(child + off_start() as u64)?;
    let signal = read::<u64>(child + off_signal() as u64)?;
    let cred = read::<u64>(child + off_cred() as u64)?;
    let facts = Facts {
        comm: read::<[u64; 2]>(child + off_comm() as u64)?,
        inode: if off_ino() == 0 {
            0
        } else {
            read::<u64>(read::<u64>(signal + off_tgid_pid() as u64)? + off_ino() as u64)?
        },
        uid: read::<u32>(cred + off_uid() as u64)?,
    };
    let birth = Birth {
        root: parent.root,
        generation: parent.generation,
        flags: if before(parent.root, start) { parent.flags & B_ADOPTED | B_LATE } else { B_LATE },
        tgid,
        leader_start: start,
        walk: 0,
    };
    let creator = TaskKey { tgid: parent.tgid, pad: 0, start: parent.leader_start };
    let mut newborn =
        Newborn { addr: child, member: process::record(&birth, creator, facts), counted: false };
    if !member::register(&mut newborn) {
        return None;
    }
    process::index(&newborn.member, child);
    // It may have passed its own exit hook, before the look or between it and the insert: then it is claimed here, and
    // nothing was missed. An ordinary child is such between its exit hook and `exit_notify`, which sets its exit state.
    if read::<u32>(child + off_flags() as u64)? & PF_EXITING != 0 {
        process::ends(child, &Birth { flags: birth.flags & !B_LATE, ..birth });
        return None;
    }
    if let Some(p) = member::pop(birth.root) {
        // SAFETY: p points to a whole Pop.
        add64(unsafe { &raw mut (*p).misses }, 1);
    }
    Some(())
}
