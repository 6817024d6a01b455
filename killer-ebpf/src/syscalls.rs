//! System calls of members. Gate C: members of a gated root are killed, of a frozen one stopped, at their entry and exit;
//! and while a broadcast asks for it each entry is stamped with whether the caller has received the signal.
//!
//! Attached only while such an order is in flight and no better hook is there: it costs every system call of the host.
//! A call that was entered may still run its body once; a fork does not: a signal is pending when
//! `kernel/fork.c:copy_process` looks, so it is abandoned (and made again, when its caller was only stopped).

use killer_common::{claim, gate};

use crate::maps::BIRTHS;
use crate::{broadcast, gate as gates, member, task};

#[inline(always)]
fn at_call(entry: bool) -> i32 {
    let tgid = task::current_tgid();
    if !crate::maps::maybe_ours(tgid) {
        return 0;
    }
    let Some(p) = BIRTHS.get_ptr_mut(&task::current_addr()) else { return 0 };
    // SAFETY: p points to a whole Birth.
    let (slot, its_start) = unsafe { ((*p).root, (*p).leader_start) };
    // A stale entry's address may be a stranger's by now (an exit was missed).
    let start = task::current_start();
    if its_start != 0 && start != 0 && its_start != start {
        return 0;
    }
    if entry {
        if let Some(stamp) = broadcast::stamp(slot, tgid) {
            // SAFETY: as above; only this task writes its stamp.
            unsafe { (*p).flags = (*p).flags & !claim::STAMP_MASK | stamp };
        }
    }
    let signal = match gates::holds(slot) {
        gate::KILL => 9,
        gate::FREEZE => gates::SIGSTOP,
        _ => return 0,
    };
    // SAFETY: signals the current task's own group.
    let r = unsafe { aya_ebpf::helpers::generated::bpf_send_signal(signal) };
    if let Some(p) = member::pop(slot) {
        // SAFETY: p points to a whole Pop.
        let c = unsafe { if r == 0 { &raw mut (*p).denied } else { &raw mut (*p).gate_errors } };
        member::add64(c, 1);
    }
    0
}

/// match-proto: `trace_sys_enter(struct pt_regs *regs, long id)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
extern "C" fn on_sys_enter(_ctx: *const u64) -> i32 {
    at_call(true)
}

/// match-proto: `trace_sys_exit(struct pt_regs *regs, long ret)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_exit")]
extern "C" fn on_sys_exit(_ctx: *const u64) -> i32 {
    at_call(false)
}
