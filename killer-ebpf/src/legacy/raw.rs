//! Tier raw: raw tracepoints (4.17+). Tasks are known by their address; a newborn's `tgid` is read at an offset that the
//! loader has found by looking for its own number in its own task.
//!
//! From 7.0 on each program can be skipped on its own, as in the modern object: hence the second look, twice.

use crate::hooks::{self, CLONE_THREAD};
use crate::task;

/// match-proto: `trace_task_newtask(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/task_newtask")]
extern "C" fn on_newtask(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let thread = task::arg_key(ctx, 1) & CLONE_THREAD != 0;
    if let Some(tgid) = task::tgid(task::arg(ctx, 0)) {
        hooks::born(task::arg_key(ctx, 0), tgid, thread, false);
    }
    0
}

/// match-proto: `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sched_process_fork")]
extern "C" fn on_fork(ctx: *const u64) -> i32 {
    look_again(ctx)
}

/// The same once more.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sched_process_fork")]
extern "C" fn on_fork_again(ctx: *const u64) -> i32 {
    look_again(ctx)
}

#[inline(always)]
fn look_again(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let child = task::arg_key(ctx, 1);
    if let Some(tgid) = task::tgid(task::arg(ctx, 1)) {
        if !hooks::known(child, tgid) {
            hooks::born(child, tgid, tgid == task::current_tgid(), true);
        }
    }
    0
}

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sched_process_exit")]
extern "C" fn on_exit(_ctx: *const u64) -> i32 {
    hooks::ended();
    0
}

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sched_process_exec")]
extern "C" fn on_exec(_ctx: *const u64) -> i32 {
    hooks::execed(task::current_addr());
    0
}

/// match-proto: `trace_sys_enter(struct pt_regs *regs, long id)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
extern "C" fn on_sys_enter(_ctx: *const u64) -> i32 {
    hooks::at_call();
    0
}

/// match-proto: `trace_sys_exit(struct pt_regs *regs, long ret)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_exit")]
extern "C" fn on_sys_exit(_ctx: *const u64) -> i32 {
    hooks::at_call();
    0
}

/// On demand: the four bytes at an offset of the caller's own task; 0 where nothing can be read.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_peek(ctx: *const u64) -> i32 {
    task::peek(task::arg_key(ctx, 0))
}
