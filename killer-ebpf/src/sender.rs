//! Who has sent a signal.

use aya_ebpf::helpers::generated as h;

use crate::knobs::reads_kernel;
use crate::task;

/// `SEND_SIG_NOINFO` and `SEND_SIG_PRIV`, `include/linux/sched/signal.h`
const SEND_SIG_NOINFO: u64 = 0;
const SEND_SIG_PRIV: u64 = 1;
/// `kernel_siginfo.si_code`, `include/uapi/asm-generic/siginfo.h:__SIGINFO`: the same on all architectures that have this BPF.
const OFF_CODE: u64 = 8;

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
    /// One of both: it bears the code of a timer or a device, which a process can write, too (`kernel/signal.c:do_rt_sigqueueinfo`), or no
    /// code can be read (lockdown=confidentiality).
    OrKernel,
    /// A BPF program, to another task than the current one (`kernel/trace/bpf_trace.c:bpf_send_signal_common`, 6.13+).
    Program,
}

/// On `signal_generate`: the sender. The siginfo is read by address: some kernels do not know it as a pointer (6.12), and it need not be
/// one.
#[inline(always)]
pub fn sender(ctx: *const u64) -> Sender {
    let info = task::arg_key(ctx, 1);
    match info {
        SEND_SIG_PRIV => return Sender::Kernel,
        SEND_SIG_NOINFO => return Sender::Current,
        _ if reads_kernel() == 0 => return Sender::OrKernel,
        _ => {}
    }
    let mut code = 0i32;
    // SAFETY: four bytes of our own; a fault is an error, not a crash.
    if unsafe { h::bpf_probe_read_kernel((&raw mut code).cast(), 4, (info + OFF_CODE) as *const _) } != 0 {
        return Sender::OrKernel;
    }
    match code {
        SI_TIMER | SI_ASYNCIO => Sender::OrKernel,
        SI_KERNEL if task::arg_key(ctx, 2) != task::current_addr() => Sender::Program,
        1.. => Sender::Kernel,
        _ => Sender::Current,
    }
}
