//! Gate C: members of a gated root are killed at their system calls' entry and exit. Attached only while a
//! kill is in flight and no better gate is there: it costs every system call of the host.

use killer_common::gate;

use crate::maps::BIRTHS;
use crate::{gate as gates, member, task};

#[inline(always)]
fn doom() -> i32 {
    if !member::maybe_ours(task::current_tgid()) {
        return 0;
    }
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&task::current_addr()) }) else { return 0 };
    let slot = b.root;
    if gates::holds(slot) == gate::KILL {
        // SAFETY: signals the current task's own group.
        let r = unsafe { aya_ebpf::helpers::generated::bpf_send_signal(9) };
        if let Some(p) = member::pop(slot) {
            // SAFETY: p points to a whole Pop.
            let c = unsafe { if r == 0 { &raw mut (*p).denied } else { &raw mut (*p).gate_errors } };
            member::add64(c, 1);
        }
    }
    0
}

/// match-proto: `trace_sys_enter(struct pt_regs *regs, long id)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
extern "C" fn on_sys_enter(_ctx: *const u64) -> i32 {
    doom()
}

/// match-proto: `trace_sys_exit(struct pt_regs *regs, long ret)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_exit")]
extern "C" fn on_sys_exit(_ctx: *const u64) -> i32 {
    doom()
}
