//! Births. Call path: `kernel/fork.c:kernel_clone` → `copy_process` → `trace_task_newtask` →
//! `trace_sched_process_fork` → `wake_up_new_task`; same order 5.10 to 7.2. Both run in the creator's context
//! before the child is on a run queue, so the child is a member before its first instruction.
//!
//! `task_newtask` fires for every task, io_uring and vhost workers too; `sched_process_fork` does not fire for
//! those. What can be missed: from 7.0 on a program is skipped when its per-CPU `active` is taken by a
//! preempted instance (kernel.md fact 1); the second program, on the other tracepoint, then registers.

use killer_common::record::*;
use killer_common::{gate, reason};

use crate::maps::*;
use crate::member::{self, Newborn};
use crate::task::{self, Task};
use crate::{adopt, gate as gates, kfunc};

/// `CLONE_THREAD`
const CLONE_THREAD: u64 = 0x0001_0000;
/// `SIGKILL`
const SIGKILL: u32 = 9;

/// match-proto: `trace_task_newtask(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/task_newtask")]
extern "C" fn on_newtask(ctx: *const u64) -> i32 {
    let adopting = adopt::mode();
    if !member::maybe_ours(task::current_tgid()) && !adopting {
        return 0;
    }
    let thread = task::arg_key(ctx, 1) & CLONE_THREAD != 0;
    if adopting && !thread {
        adopt::edge(task::current(), task::arg(ctx, 0));
    }
    if born(ctx, 0, thread, false) {
        still(ctx, 0);
    }
    0
}

/// match-proto: `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_fork")]
extern "C" fn on_fork(ctx: *const u64) -> i32 {
    if !member::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let child = task::arg_key(ctx, 1);
    let t = task::arg(ctx, 1);
    // SAFETY: plain data.
    if let Some(b) = unsafe { BIRTHS.get(&child) } {
        if b.leader_start == task::leader_start(t) {
            return 0;
        }
    }
    let thread = task::tgid(t) != task::pid(t);
    if born(ctx, 1, thread, true) {
        still(ctx, 1);
    }
    0
}

/// Registers the child at argument `n` when its creator is a member or marked. True when it became a member.
#[inline(always)]
fn born(ctx: *const u64, n: usize, thread: bool, late: bool) -> bool {
    let cur = task::current_addr();
    let mut root = 0u32;
    let mut generation = 0u32;
    let mut flags = 0u32;
    let mut mark: Option<Birth> = None;
    let creator_start = task::leader_start(task::current());
    // SAFETY: plain data.
    if let Some(s) = unsafe { SEEDS.get(&cur) } {
        if s.flags & B_HOLD == 0 && s.leader_start == creator_start && !thread {
            root = s.root;
            generation = s.generation;
            flags = s.flags & (B_MAIN | B_CONTROL);
            mark = Some(*s);
        }
    }
    if mark.is_none() {
        // SAFETY: plain data.
        let Some(b) = (unsafe { BIRTHS.get(&cur) }) else { return false };
        let b = *b;
        if b.leader_start != 0 && b.leader_start != creator_start {
            if member::claim(cur, &b) {
                member::note(b.root, reason::STALE);
            }
            return false;
        }
        root = b.root;
        generation = b.generation;
        flags = b.flags & B_ADOPTED;
    }
    let t = task::arg(ctx, n);
    let tgid = task::tgid(t);
    let birth = Birth {
        root,
        generation,
        flags: if thread { flags | B_THREAD } else { flags },
        tgid,
        leader_start: task::leader_start(t),
        walk: 0,
    };
    let ok = member::register(&Newborn { addr: task::arg_key(ctx, n), birth });
    if ok {
        if !thread {
            let creator = TaskKey { tgid: task::current_tgid(), pad: 0, start: creator_start };
            member::index(task::arg(ctx, n), &birth, creator);
        }
        if late {
            if let Some(p) = member::pop(root) {
                // SAFETY: p points to a whole Pop.
                member::add64(unsafe { &raw mut (*p).misses }, 1);
            }
            member::note(root, reason::REPAIRED_BIRTH);
        }
        if flags & B_MAIN != 0 {
            main(root, generation, tgid, birth.leader_start);
        }
    }
    // The child first, then the mark: "empty" is never seen between (docs/PROTOCOL.md 3).
    if let Some(s) = mark {
        if ok {
            member::claim_seed(cur, &s);
        }
    }
    ok
}

/// The first process of a root: main process, and the root is live.
#[inline(always)]
fn main(slot: u32, generation: u32, tgid: u32, start: u64) {
    if let Some(r) = member::root(slot) {
        // SAFETY: r points to a whole Root.
        unsafe {
            if (*r).generation == generation {
                (*r).main_tgid = tgid;
                (*r).main_start = start;
                (*r).state = R_LIVE;
            }
        }
    }
}

/// Gate D: a child born under a closed gate dies before its first instruction. The gate is read after the insert.
#[inline(always)]
fn still(ctx: *const u64, n: usize) {
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&task::arg_key(ctx, n)) }) else { return };
    let slot = b.root;
    if gates::holds(slot) != gate::KILL {
        return;
    }
    let child: Task = task::arg(ctx, n);
    let r = kfunc::send_signal_group(child, SIGKILL);
    if let Some(p) = member::pop(slot) {
        // SAFETY: p points to a whole Pop.
        let c = unsafe { if r == 0 { &raw mut (*p).denied } else { &raw mut (*p).gate_errors } };
        member::add64(c, 1);
    }
}

