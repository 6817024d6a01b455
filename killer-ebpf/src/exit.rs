//! Ends of tasks. Call path: `kernel/exit.c:do_exit` → `exit_signals` → `dec_and_test(signal->live)` →
//! `trace_sched_process_exit` → `exit_notify`. It fires per thread, before reparenting and before the PID is
//! free; that thread can start no fork any more, and one in flight (hook included) is over.

use killer_common::record::{B_FORKED, B_HOLD};

use crate::maps::*;
use crate::{ending, logs, member, task};

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])` (6.16+ has the second)
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_exit(ctx: *const u64) -> i32 {
    if !member::maybe_ours(task::current_tgid()) {
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
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&addr) }) else { return 0 };
    let b = *b;
    // Two last threads may both see 0: unindex is idempotent, the claim is not shared.
    let live = task::live(task::arg(ctx, 0));
    if live == 0 {
        ending::note(&b);
        member::unindex(&b);
    } else if b.flags & B_FORKED != 0 {
        // The process remembers what this thread did.
        if let Some(m) = MEMBERS.get_ptr_mut(&b.tgid) {
            // SAFETY: m points to a whole Member.
            unsafe { (*m).flags |= B_FORKED };
        }
    }
    member::remove(addr, &b);
    if logs::on() {
        logs::ended(ctx, b.root, b.tgid, live);
    }
    0
}
