//! Tier legacy: classic tracepoints (4.7+), sound up to 5.10. From 5.11 on a preemptible kernel drops their programs while
//! another task does map system calls (`kernel/trace/bpf_trace.c:trace_call_bpf`, `bpf_prog_active`).
//!
//! Layouts of the records come from tracefs: they have changed (`comm[16]` became `__data_loc`).

use core::arch::asm;

use killer_common::patch;

use crate::hooks::{self, CLONE_THREAD};
use crate::task;

/// A field of the record, at the place that the loader writes into the instruction: a context is read at fixed offsets only.
macro_rules! field {
    ($ctx:expr, $width:literal, $n:expr) => {{
        let v: u64;
        // SAFETY: a load from the context, which the verifier checks.
        unsafe {
            asm!(
                concat!("{0} = *(", $width, " *)({1} + {2})"),
                out(reg) v, in(reg) $ctx, const patch::FIELD + $n,
                options(pure, readonly, nostack)
            )
        };
        v
    }};
}

/// Record: pid, comm, clone_flags, oom_score_adj.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/task/task_newtask")]
extern "C" fn c_newtask(ctx: *const u8) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let pid = field!(ctx, "u32", patch::NEWTASK_PID) as u32;
    let flags = field!(ctx, "u64", patch::NEWTASK_FLAGS);
    let thread = flags & CLONE_THREAD != 0;
    hooks::born(pid as u64, if thread { task::current_tgid() } else { pid }, thread, false);
    0
}

/// The current task ends.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/sched/sched_process_exit")]
extern "C" fn c_exit(_ctx: *const u8) -> i32 {
    hooks::ended();
    0
}

/// Record: filename, pid, old_pid.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/sched/sched_process_exec")]
extern "C" fn c_exec(ctx: *const u8) -> i32 {
    hooks::execed(field!(ctx, "u32", patch::EXEC_OLD_PID));
    0
}

/// Gate C.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/raw_syscalls/sys_enter")]
extern "C" fn c_sys_enter(_ctx: *const u8) -> i32 {
    hooks::at_call();
    0
}

/// Gate C.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/raw_syscalls/sys_exit")]
extern "C" fn c_sys_exit(_ctx: *const u8) -> i32 {
    hooks::at_call();
    0
}
