//! Births. Call path: `kernel/fork.c:kernel_clone` → `copy_process` → `trace_task_newtask` →
//! `trace_sched_process_fork` → `wake_up_new_task`; same order 5.10 to 7.2. Both run in the creator's context
//! before the child is on a run queue, so the child is a member before its first instruction.
//!
//! `task_newtask` fires for every task, io_uring and vhost workers too; `sched_process_fork` does not fire for
//! those. What can be missed: from 7.0 on a program is skipped when its per-CPU `active` is taken by a
//! preempted instance (F18); the second program, on the other tracepoint, then registers.

use killer_common::record::*;
use killer_common::{claim, gate, reason};

use crate::maps::*;
use crate::member::{self, Newborn};
use crate::task::{self, Task};
use crate::{broadcast, gate as gates, kfunc, knobs, logs, process};

/// `CLONE_THREAD`
pub const CLONE_THREAD: u64 = 0x0001_0000;
/// `SIGKILL`
const SIGKILL: u32 = 9;

/// match-proto: `trace_task_newtask(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/task_newtask")]
extern "C" fn on_newtask(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let thread = task::arg_key(ctx, 1) & CLONE_THREAD != 0;
    let slot = born(ctx, 0, thread, false);
    if slot != 0 {
        apply_gate(ctx, 0, slot);
    }
    0
}

/// match-proto: `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_fork")]
extern "C" fn on_fork(ctx: *const u64) -> i32 {
    look_again(ctx)
}

/// The same once more: from 7.0 on each program is skipped on its own, when its own instance was preempted.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_fork")]
extern "C" fn on_fork_again(ctx: *const u64) -> i32 {
    look_again(ctx)
}

#[inline(always)]
fn look_again(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let child = task::arg_key(ctx, 1);
    let t = task::arg(ctx, 1);
    if let Some(p) = BIRTHS.get_ptr_mut(&child) {
        // SAFETY: p points to a whole Member.
        let (slot, its) = unsafe { ((*p).root, (*p).leader_start) };
        if its == task::leader_start(t) {
            // It may be the entry of another thread, whose exit was missed: with its old stamp it would be reaped.
            let reaped = member::reaped();
            let was = member::renew(p);
            member::doubt(slot, was, reaped);
            return 0;
        }
    }
    let thread = task::tgid(t) != task::pid(t);
    let slot = born(ctx, 1, thread, true);
    if slot != 0 {
        apply_gate(ctx, 1, slot);
    }
    0
}

/// A look after the edge was logged, for an adoption: its walk may have registered the creator since [`on_newtask`] has looked, and
/// was over before the edge was there.
#[inline(always)]
pub fn look_after_edge(ctx: *const u64, thread: bool) {
    let child = task::arg_key(ctx, 0);
    // SAFETY: plain data.
    if unsafe { BIRTHS.get(&child) }.is_some_and(|b| b.leader_start == task::leader_start(task::arg(ctx, 0)))
    {
        return;
    }
    let slot = born(ctx, 0, thread, false);
    if slot != 0 {
        apply_gate(ctx, 0, slot);
    }
}

/// What a newborn gets from the current task.
#[derive(Clone, Copy)]
pub struct Creator {
    /// Root, generation and flags of the newborn.
    pub birth: Birth,
    /// The fork has consumed a mark: its count is the newborn's.
    pub launched: bool,
}

/// The current task as a creator: its mark, else its membership. The mark is claimed here, before the child is there: the
/// launcher that finds it gone takes it for cancelled, so it must not be consumed by a look (models: `seeds::child_first`).
#[inline(always)]
pub fn creator(thread: bool) -> Option<Creator> {
    let cur = task::current_addr();
    let start = task::current_start();
    let mut birth = Birth { flags: if thread { B_THREAD } else { 0 }, ..Birth::default() };
    if member::any_marks() {
        // SAFETY: plain data.
        if let Some(s) = unsafe { SEEDS.get(&cur) } {
            let s = *s;
            if s.flags & B_HOLD == 0 && s.leader_start == start && !thread && member::take_seed(cur, &s) {
                birth.root = s.root;
                birth.generation = s.generation;
                birth.flags = s.flags & (B_MAIN | B_CONTROL);
                return Some(Creator { birth, launched: true });
            }
        }
    }
    let p = BIRTHS.get_ptr_mut(&cur)?;
    // SAFETY: p points to a whole Member; only this task itself writes its flags.
    let b = unsafe {
        if !thread {
            (*p).flags |= B_FORKED;
        }
        (*p).birth()
    };
    if b.leader_start != 0 && start != 0 && b.leader_start != start {
        process::unlist(cur, &b);
        if member::remove(cur, &b) {
            member::note(b.root, reason::STALE);
        }
        return None;
    }
    birth.root = b.root;
    birth.generation = b.generation;
    // "Adopted" is said of what was there before: a thread is its process's, a child is seen being born.
    birth.flags |= b.flags & if thread { B_ADOPTED | claim::STAMP_MASK } else { claim::STAMP_MASK };
    Some(Creator { birth, launched: false })
}

/// Indexes the child at argument `n` when the witness registered it; registers it itself when its creator is a member
/// or marked and nobody did. Answers its root when this call made it visible, else 0.
#[inline(always)]
fn born(ctx: *const u64, n: usize, thread: bool, late: bool) -> u32 {
    let t = task::arg(ctx, n);
    let tgid = task::tgid(t);
    let start = task::leader_start(t);
    let mut birth = Birth::default();
    let mut known = false;
    let mut indexed = false;
    if let Some(p) = BIRTHS.get_ptr_mut(&task::arg_key(ctx, n)) {
        // SAFETY: p points to a whole Member; the child does not run yet, and only fork hooks of this fork fill it.
        unsafe {
            if knobs::witness() != 0 && (*p).leader_start == 0 {
                // In this order: with a tgid it may be reaped.
                member::renew(p);
                core::ptr::write_volatile(&raw mut (*p).leader_start, start);
                core::ptr::write_volatile(&raw mut (*p).tgid, tgid);
                member::filter_add(tgid, 1);
                if (*p).flags & B_SEEDED != 0 {
                    (*p).flags &= !B_SEEDED;
                    member::filter_add(task::current_tgid(), -1);
                }
                birth = (*p).birth();
                known = true;
                if !thread {
                    broadcast::undecided(tgid);
                    process::fill(p, task::arg_key(ctx, n), forker(), task::facts(t));
                }
            } else if (*p).flags & B_LATE != 0 && (*p).leader_start == start && !late {
                // Its parent ended before this hook of its creator (CLONE_PARENT): nothing was skipped.
                (*p).flags &= !B_LATE;
                birth = (*p).birth();
                known = true;
                indexed = true;
            }
        }
    }
    if !known {
        let Some(c) = creator(thread) else { return 0 };
        birth = c.birth;
        birth.tgid = tgid;
        birth.leader_start = start;
        let counted = c.launched;
        let member = if thread {
            Member::of(&birth)
        } else {
            broadcast::undecided(tgid);
            process::record(&birth, forker(), task::facts(t))
        };
        let mut newborn = Newborn { addr: task::arg_key(ctx, n), member, counted };
        let there = member::register(&mut newborn);
        if counted {
            member::filter_add(task::current_tgid(), -1);
        }
        if !there {
            unrecorded(ctx, n, birth.root);
            return 0;
        }
        if !thread {
            process::index(&newborn.member, newborn.addr);
        }
        if late {
            if let Some(p) = member::pop(birth.root) {
                // SAFETY: p points to a whole Pop.
                member::add64(unsafe { &raw mut (*p).misses }, 1);
            }
            member::note(birth.root, reason::REPAIRED_BIRTH);
        }
        if knobs::witness() != 0 {
            member::note(birth.root, reason::WITNESS);
        }
    }
    if !thread {
        broadcast::newborn(ctx, n, birth.root, birth.flags, known && !indexed);
    }
    if logs::on() {
        logs::born(ctx, birth.root, task::current_tgid(), tgid);
    }
    if birth.flags & B_MAIN != 0 {
        main(birth.root, birth.generation, tgid, start);
    }
    birth.root
}

/// The current process as a creator.
#[inline(always)]
fn forker() -> TaskKey {
    let tgid = task::current_tgid();
    let mut start = task::current_start();
    if start == 0 {
        // The kernel cannot say (before 5.11), but its entry does: no exit is missed there.
        // SAFETY: m points to a whole Member.
        start = process::of(tgid).map_or(0, |m| unsafe { (*m).leader_start });
    }
    TaskKey { tgid, pad: 0, start }
}

/// The first process of a root: main process, and the root is live.
#[inline(always)]
pub fn main(slot: u32, generation: u32, tgid: u32, start: u64) {
    if let Some(r) = member::root(slot) {
        // SAFETY: r points to a whole RootRecord.
        unsafe {
            if (*r).generation == generation {
                (*r).main_tgid = tgid;
                (*r).main_start = start;
                (*r).state = R_LIVE;
            }
        }
    }
}

/// No place for it (a reason has been counted): nobody will find it, so under a kill it dies here, like every newborn.
#[inline(always)]
fn unrecorded(ctx: *const u64, n: usize, slot: u32) {
    if gates::holds_at_birth(slot) == gate::KILL {
        kfunc::send_signal_group(task::arg(ctx, n), SIGKILL, 0);
    }
}

/// Gate D: a child born under a closed gate dies before its first instruction; of a frozen root it is stopped there, and
/// its creator when it returns from the fork. The gate is read after the insert.
#[inline(always)]
fn apply_gate(ctx: *const u64, n: usize, slot: u32) {
    let signal = match gates::holds_at_birth(slot) {
        gate::KILL => SIGKILL,
        gate::FREEZE => gates::SIGSTOP,
        _ => return,
    };
    let child: Task = task::arg(ctx, n);
    let r = kfunc::send_signal_group(child, signal, 0);
    if signal == gates::SIGSTOP {
        gates::stop_current(slot);
    }
    if logs::on() {
        logs::denied(ctx, slot, r);
    }
    if let Some(p) = member::pop(slot) {
        // SAFETY: p points to a whole Pop.
        let c = unsafe { if r == 0 { &raw mut (*p).denied } else { &raw mut (*p).gate_errors } };
        member::add64(c, 1);
    }
}
