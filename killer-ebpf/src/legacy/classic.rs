//! Tier legacy: classic tracepoints (4.7+), sound up to 5.10. From 5.11 on a preemptible kernel drops their programs while
//! another task does map system calls (`kernel/trace/bpf_trace.c:trace_call_bpf`, `bpf_prog_active`).
//!
//! Layouts of the records come from tracefs: they have changed (`comm[16]` became `__data_loc`).

use aya_ebpf::helpers::bpf_probe_read_kernel;

use crate::hooks::{self, CLONE_THREAD};
use crate::{knobs, member, task};

#[inline(always)]
fn field<T>(ctx: *const u8, off: u32) -> Option<T> {
    // SAFETY: the record lies in kernel memory; a fault is an error, not a crash.
    unsafe { bpf_probe_read_kernel(ctx.add(off as usize) as *const T) }.ok()
}

/// Record: pid, comm, clone_flags, oom_score_adj.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/task/task_newtask")]
extern "C" fn c_newtask(ctx: *const u8) -> i32 {
    if !member::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let (Some(pid), Some(flags)) =
        (field::<u32>(ctx, knobs::rec_newtask_pid()), field::<u64>(ctx, knobs::rec_newtask_flags()))
    else {
        return 0;
    };
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
    if let Some(old) = field::<u32>(ctx, knobs::rec_exec_old_pid()) {
        hooks::execed(old as u64);
    }
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
