//! Who has sent a signal.

use crate::task::{self, load32};

/// `SEND_SIG_PRIV`, `include/linux/sched/signal.h`
const SEND_SIG_PRIV: u64 = 1;
/// `kernel_siginfo.si_code`, `include/uapi/asm-generic/siginfo.h:__SIGINFO`: the same on all architectures that have this BPF.
const OFF_CODE: u32 = 8;

const SI_TIMER: i32 = -2;
const SI_ASYNCIO: i32 = -4;
const SI_KERNEL: i32 = 0x80;

/// Who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The current task.
    Current,
    /// The kernel on its own account, for a fault, a timer or when memory has run out: the current task has nothing to do with it.
    Kernel,
    /// The current task, or a timer or a device while it ran: a process can write these codes, too (`kernel/signal.c:do_rt_sigqueueinfo`).
    OrTimer,
    /// A BPF program, to another task than the current one (`kernel/trace/bpf_trace.c:bpf_send_signal_common`, 6.13+).
    Program,
}

/// On `signal_generate`: the sender.
#[inline(always)]
pub fn sender(ctx: *const u64) -> Sender {
    let info = task::arg(ctx, 1);
    if info as u64 == SEND_SIG_PRIV {
        return Sender::Kernel;
    }
    // `SEND_SIG_NOINFO`
    if info == 0 {
        return Sender::Current;
    }
    match load32(info, OFF_CODE) as i32 {
        SI_TIMER | SI_ASYNCIO => Sender::OrTimer,
        SI_KERNEL if task::arg_key(ctx, 2) != task::current_addr() => Sender::Program,
        1.. => Sender::Kernel,
        _ => Sender::Current,
    }
}
