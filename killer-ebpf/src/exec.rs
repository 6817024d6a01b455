//! Names: `fs/exec.c:bprm_execve` → `trace_sched_process_exec`. An exec by a thread that is not the leader
//! keeps tgid and leader's start (`de_thread`); the old leader's own exit event came first, with live > 0.

use killer_common::record::*;

use crate::maps::*;
use crate::{process, task};

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_exec(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let addr = task::arg_key(ctx, 0);
    let Some(m) = BIRTHS.get_ptr_mut(&addr) else { return 0 };
    let t = task::arg(ctx, 0);
    // SAFETY: m points to the task's element.
    unsafe { process::take_over(m, addr) };
    let Some(m) = process::of(task::current_tgid()) else {
        // No hook could index it: do it now.
        // SAFETY: as above.
        unsafe { process::fill(m, addr, TaskKey::default(), task::facts(t)) };
        return 0;
    };
    let comm = task::comm(t);
    // SAFETY: m points to a whole Member.
    unsafe {
        (*m).execs += 1;
        (*m).uid = task::uid(t);
        let c = (&raw mut (*m).comm) as *mut u64;
        *c = comm[0];
        *c.add(1) = comm[1];
    }
    0
}
