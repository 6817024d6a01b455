//! The birth witness: LSM programs have no per-CPU guard that could skip them (F20), so births are
//! registered, and what is left of failed forks and missed exits is claimed, by hooks that nothing drops.
//!
//! `kernel/fork.c:copy_process` calls `security_task_alloc` before files, memory and PIDs are copied; a fork that fails
//! later calls `security_task_free` in every case (5.10 to 7.2). The task's own fields are not set yet: the entry has
//! start 0, "do not compare", until the fork hook fills it, and no tgid. So the filter by tgid, which a skipped fork hook
//! leaves without the newborn, is not asked here: both programs look the pointer up.

use killer_common::record::{B_SEEDED, Member, TaskKey};
use killer_common::{claim, gate};

use crate::maps::*;
use crate::member::{self, Newborn, add64};
use crate::{broadcast, fork, gate as gates, lineage, process, task};

const EPERM: i32 = -1;
const EAGAIN: i32 = -11;
/// `include/linux/errno.h`; the call is made again whatever signal came (`arch_do_signal_or_restart`).
const ERESTARTNOINTR: i32 = -513;
/// `CLONE_THREAD`
const CLONE_THREAD: u64 = 0x0001_0000;

/// match-proto: `int security_task_alloc(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "lsm/task_alloc")]
extern "C" fn on_task_alloc(ctx: *const u64) -> i32 {
    let thread = task::arg_key(ctx, 1) & CLONE_THREAD != 0;
    let Some(c) = fork::creator(thread) else { return 0 };
    let slot = c.birth.root;
    let addr = task::arg_key(ctx, 0);
    let mut birth = c.birth;
    // Before memory is copied: what the creator has received by now was before this fork, the rest after.
    birth.flags = birth.flags & !claim::STAMP_MASK | broadcast::stamp_at_birth(slot, task::current_tgid());
    if c.launched {
        // The launcher is no member: without its place in the filter the fork hook would pass over its child. The hook
        // gives it back; a fork that fails later leaves it there, which costs that number a few look-ups.
        birth.flags |= B_SEEDED;
    }
    let mut newborn = Newborn { addr, member: Member::of(&birth), counted: c.launched };
    if !member::register(&mut newborn) {
        if c.launched {
            member::filter_add(task::current_tgid(), -1);
        }
        return EAGAIN;
    }
    // Read after the insert: a fork in flight does not slip between the sweeper's exchange and its reading.
    let kind = gates::holds_at_birth(slot);
    if kind == gate::OPEN {
        return 0;
    }
    // The fork is abandoned, its caller stops, and after SIGCONT the call is made again: no program sees an error. A caller that cannot
    // be stopped here forks, and its child is stopped by the fork hook, or by the freeze that is under way.
    let frozen = kind == gate::FREEZE && !c.launched;
    if frozen && !gates::stop_current(slot) {
        return 0;
    }
    member::remove(addr, &birth);
    if c.launched {
        member::filter_add(task::current_tgid(), -1);
    }
    if let Some(p) = member::pop(slot) {
        // SAFETY: p points to a whole Pop.
        add64(unsafe { &raw mut (*p).denied }, 1);
    }
    if frozen { ERESTARTNOINTR } else { EPERM }
}

/// match-proto: `void security_task_free(struct task_struct *task)`; fields may be read only when the task has lived.
#[unsafe(no_mangle)]
#[unsafe(link_section = "lsm/task_free")]
extern "C" fn on_task_free(ctx: *const u64) -> i32 {
    let addr = task::arg_key(ctx, 0);
    let Some(m) = BIRTHS.get_ptr_mut(&addr) else { return 0 };
    // SAFETY: m points to the task's element.
    let b = unsafe { (*m).birth() };
    let mut up = TaskKey::default();
    // Fields may be read only of a task that has lived: `->signal` of a failed fork is freed or somebody else's. The
    // group's own reference to it is dropped later (`kernel/fork.c:__put_task_struct`).
    let t = task::arg(ctx, 0);
    if task::exit_state(t) != 0 && task::live(t) == 0 {
        // Its exit was missed, and the process is gone.
        // SAFETY: as above.
        up = unsafe { process::ended(m, addr, &b) };
    }
    if member::remove(addr, &b) {
        if up.tgid != 0 {
            lineage::gone(up);
        }
        if let Some(g) = GLOBAL.get_ptr_mut(0) {
            // SAFETY: g points to a whole Global.
            add64(unsafe { &raw mut (*g).freed }, 1);
        }
    }
    0
}
