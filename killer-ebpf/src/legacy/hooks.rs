//! What the hooks do, whichever way they were called. Orders as in the modern object (docs/internals/PROTOCOL.md 2).
//!
//! The start of a process is the moment of its registration: unique, which is all that identity needs, and at most some
//! microseconds after the kernel's. The end of a process is counted: a thread's birth adds one, its end takes one.

use killer_common::record::*;
use killer_common::{gate, reason};

use crate::maps::*;
use crate::member::{self, Newborn, add32, add64};
use crate::{ending, gate as gates, process, task};

/// `CLONE_THREAD`
pub const CLONE_THREAD: u64 = 0x0001_0000;

/// Registers the child with this key when the current task is marked or a member. `late`: by the second hook.
#[inline(always)]
pub fn born(child: u64, tgid: u32, thread: bool, late: bool) {
    let cur = task::current_addr();
    let me = task::current_tgid();
    let mut birth = Birth { tgid, flags: if thread { B_THREAD } else { 0 }, ..Birth::default() };
    let mut creator = TaskKey { tgid: me, pad: 0, start: 0 };
    let mut counted = false;
    if member::any_marks() && !thread {
        // SAFETY: plain data.
        if let Some(s) = unsafe { SEEDS.get(&cur) } {
            let s = *s;
            // Claimed before the child is there, as in the modern object.
            if s.flags & B_HOLD == 0 && s.tgid == me && member::take_seed(cur, &s) {
                birth.root = s.root;
                birth.generation = s.generation;
                birth.flags = s.flags & (B_MAIN | B_CONTROL);
                counted = true;
                // A launcher in an outer service.
                // SAFETY: plain data.
                let own = unsafe { BIRTHS.get(&cur) };
                creator.start = own.map_or(0, |b| if b.tgid == me { b.leader_start } else { 0 });
            }
        }
    }
    if !counted {
        let Some(p) = BIRTHS.get_ptr_mut(&cur) else { return };
        // SAFETY: p points to a whole Member; only this task itself writes its flags.
        let b = unsafe {
            if !thread {
                (*p).flags |= B_FORKED;
            }
            (*p).birth()
        };
        if b.tgid != me {
            stale(cur, &b);
            return;
        }
        birth.root = b.root;
        birth.generation = b.generation;
        birth.leader_start = b.leader_start;
        creator.start = b.leader_start;
    }
    if !thread {
        birth.leader_start = task::boottime();
    }
    let there = member::register(&mut Newborn { addr: child, member: Member::of(&birth), counted });
    if counted {
        member::filter_add(me, -1);
    }
    if !there {
        return;
    }
    if late {
        if let Some(p) = member::pop(birth.root) {
            // SAFETY: p points to a whole Pop.
            add64(unsafe { &raw mut (*p).misses }, 1);
        }
        member::note(birth.root, reason::REPAIRED_BIRTH);
    }
    if thread {
        if let Some(m) = process::of(tgid) {
            // SAFETY: m points to a whole Member.
            add32(unsafe { &raw mut (*m).threads }, 1);
        }
        return;
    }
    process::index(&process::record(&birth, creator, task::facts(0)), child);
    if birth.flags & B_MAIN != 0 {
        if let Some(r) = member::root(birth.root) {
            // SAFETY: r points to a whole RootRecord.
            unsafe {
                if (*r).generation == birth.generation {
                    (*r).main_tgid = tgid;
                    (*r).main_start = birth.leader_start;
                    (*r).state = R_LIVE;
                }
            }
        }
    }
}

#[inline(always)]
fn stale(addr: u64, b: &Birth) {
    if member::remove(addr, b) {
        member::note(b.root, reason::STALE);
    }
}

/// True when the child is registered as this process's task.
#[inline(always)]
pub fn known(child: u64, tgid: u32) -> bool {
    // SAFETY: plain data.
    unsafe { BIRTHS.get(&child) }.is_some_and(|b| b.tgid == tgid)
}

/// The current task ends.
#[inline(always)]
pub fn ended() {
    let me = task::current_tgid();
    if !crate::maps::maybe_ours(me) {
        return;
    }
    let cur = task::current_addr();
    if member::any_marks() {
        // SAFETY: plain data.
        if let Some(s) = unsafe { SEEDS.get(&cur) } {
            let s = *s;
            if member::remove_seed(cur, &s) && s.flags & B_HOLD != 0 {
                member::note(s.root, reason::ADOPT_UNSURE);
            }
        }
    }
    // SAFETY: plain data.
    let Some(own) = BIRTHS.get_ptr_mut(&cur) else { return };
    // SAFETY: own points to the task's element.
    let b = unsafe { (*own).birth() };
    if b.tgid != me {
        return stale(cur, &b);
    }
    let mut last = true;
    if let Some(m) = process::of(me) {
        // SAFETY: m points to a whole Member. Two last threads may both see 0: whose delete of the record it was says so.
        unsafe {
            add32(&raw mut (*m).threads, u32::MAX);
            last = core::ptr::read_volatile(&raw const (*m).threads) as i32 <= 0;
            if !last && b.flags & B_FORKED != 0 {
                (*m).of_process |= B_FORKED;
            }
        }
    }
    if last {
        // SAFETY: as above.
        unsafe { ending::note(&b, own, 0) };
        process::ended_apart(me, b.leader_start, b.flags);
    }
    member::remove(cur, &b);
}

/// The current task has become another program; `was` is its key before.
#[inline(always)]
pub fn execed(was: u64) {
    let me = task::current_tgid();
    if !crate::maps::maybe_ours(me) {
        return;
    }
    let cur = task::current_addr();
    if was != cur {
        // By another thread than the leader: it has taken the leader's number (`fs/exec.c:de_thread`).
        // SAFETY: plain data.
        if let Some(old) = unsafe { BIRTHS.get(&was) } {
            let old = old.birth();
            if old.tgid == me {
                let member = Member { flags: old.flags & !B_THREAD, ..Member::of(&old) };
                member::register(&mut Newborn { addr: cur, member, counted: false });
                member::remove(was, &old);
            }
        }
    }
    if let Some(b) = BIRTHS.get_ptr_mut(&cur) {
        // SAFETY: b points to a whole Member.
        unsafe { (*b).flags &= !B_THREAD };
    } else {
        return;
    }
    let Some(m) = process::of(me) else { return };
    let facts = task::facts(0);
    // SAFETY: m points to a whole Member.
    unsafe {
        (*m).execs += 1;
        (*m).uid = facts.uid;
        let c = (&raw mut (*m).comm) as *mut u64;
        *c = facts.comm[0];
        *c.add(1) = facts.comm[1];
    }
}

/// Gate C: the current task is at a system call.
#[inline(always)]
pub fn at_call() {
    let me = task::current_tgid();
    if !crate::maps::maybe_ours(me) {
        return;
    }
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&task::current_addr()) }) else { return };
    if b.tgid != me {
        return;
    }
    let slot = b.root;
    let signal = match gates::holds(slot) {
        gate::KILL => 9,
        gate::FREEZE => gates::SIGSTOP,
        _ => return,
    };
    // SAFETY: signals the current task's own group.
    let r = unsafe { aya_ebpf::helpers::generated::bpf_send_signal(signal) };
    if let Some(p) = member::pop(slot) {
        // SAFETY: p points to a whole Pop.
        let c = unsafe { if r == 0 { &raw mut (*p).denied } else { &raw mut (*p).gate_errors } };
        add64(c, 1);
    }
}
