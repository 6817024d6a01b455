//! Names: `fs/exec.c:bprm_execve` → `trace_sched_process_exec`. An exec by a thread that is not the leader
//! keeps tgid and leader's start (`de_thread`); the old leader's own exit event came first, with live > 0.

use killer_common::record::*;

use crate::maps::*;
use crate::{member, task};

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_exec(ctx: *const u64) -> i32 {
    if !member::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let addr = task::arg_key(ctx, 0);
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get_ptr_mut(&addr).map(|b| &mut *b) }).map(|b| {
        b.flags &= !B_THREAD;
        *b
    }) else {
        return 0;
    };
    let t = task::arg(ctx, 0);
    let Some(m) = MEMBERS.get_ptr_mut(&b.tgid) else {
        // The first hook could not index it: do it now.
        member::index(t, &b, TaskKey::default());
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
