//! Ends of tasks. Call path: `kernel/exit.c:do_exit` → `exit_signals` → `dec_and_test(signal->live)` →
//! `trace_sched_process_exit` → `exit_notify`. It fires per thread, before reparenting and before the PID is
//! free; that thread can start no fork any more, and one in flight (hook included) is over.

use killer_common::record::{B_HOLD, TaskKey};

use crate::maps::*;
use crate::{ending, lineage, logs, member, process, task, walk};

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])` (6.16+ has the second)
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_exit(ctx: *const u64) -> i32 {
    if !crate::maps::maybe_ours(task::current_tgid()) {
        return 0;
    }
    let addr = task::arg_key(ctx, 0);
    if member::any_marks() {
        // SAFETY: plain data.
        if let Some(s) = unsafe { SEEDS.get(&addr) } {
            let s = *s;
            if member::remove_seed(addr, &s) && s.flags & B_HOLD != 0 {
                member::note(s.root, killer_common::reason::ADOPT_UNSURE);
            }
        }
    }
    let Some(m) = BIRTHS.get_ptr_mut(&addr) else { return 0 };
    // SAFETY: m points to the task's element.
    let b = unsafe { (*m).birth() };
    // Two last threads may both see 0: whose delete of the record it was says so to its creator, the claim is not shared.
    let live = task::live(task::arg(ctx, 0));
    let mut up = TaskKey::default();
    // SAFETY: as above.
    unsafe {
        if live == 0 {
            ending::note(&b, m, task::status(task::arg(ctx, 0)));
            up = process::ended(m, addr, &b);
        } else {
            process::goes_on(m, &b);
        }
    }
    if member::remove(addr, &b) && up.tgid != 0 {
        lineage::gone(up);
    }
    // The last thread may have looked for the record before it stood apart.
    if live != 0 {
        walk::alone(task::arg(ctx, 0), &b);
    }
    if logs::on() {
        logs::ended(ctx, b.root, b.tgid, live);
    }
    0
}
