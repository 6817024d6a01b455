//! The only reader of kernel structs: direct loads from BTF pointers at offsets from `.rodata`.
//!
//! No CO-RE, no `bpf_probe_read`: loads work under lockdown, and a wrong offset is refused at load time
//! (`kernel/bpf/verifier.c:check_ptr_to_btf_access`).

use crate::knobs::*;
use killer_common::record::{ENDED, NO_MEMORY, TaskKey};

/// A BTF pointer to a `task_struct`, as an integer that the verifier still knows as a pointer.
pub type Task = usize;

/// A process's record stands with its leader's task.
pub const LEADERS: bool = true;

/// `PF_EXITING`, `include/linux/sched.h`
pub const PF_EXITING: u32 = 0x4;
/// `PF_KTHREAD`
pub const PF_KTHREAD: u32 = 0x0020_0000;

/// `TASK_NEW`, `include/linux/sched.h` (4.8+): from `sched_fork` to `wake_up_new_task`.
const TASK_NEW: u32 = 0x800;

/// `SIGNAL_GROUP_EXIT`, `include/linux/sched/signal.h`
const GROUP_EXIT: u32 = 4;

/// Four bytes of what a BTF pointer points to.
#[inline(always)]
pub fn load32(base: usize, off: u32) -> u32 {
    // SAFETY: base is a BTF pointer; the verifier checks the access against kernel BTF at load time.
    unsafe { core::ptr::read_volatile((base + off as usize) as *const u32) }
}

/// Eight bytes of it.
#[inline(always)]
pub fn load64(base: usize, off: u32) -> u64 {
    // SAFETY: as in load32.
    unsafe { core::ptr::read_volatile((base + off as usize) as *const u64) }
}

/// A pointer in it.
#[inline(always)]
pub fn loadp(base: usize, off: u32) -> usize {
    // SAFETY: as in load32.
    unsafe { core::ptr::read_volatile((base + off as usize) as *const usize) }
}

/// The task's thread group id.
#[inline(always)]
pub fn tgid(t: Task) -> u32 {
    load32(t, off_tgid())
}
/// The task's own id.
#[inline(always)]
pub fn pid(t: Task) -> u32 {
    load32(t, off_pid())
}
/// `PF_*`.
#[inline(always)]
pub fn flags(t: Task) -> u32 {
    load32(t, off_flags())
}
/// `start_boottime` of the *group leader*: constant for the life of the process, also across an exec by
/// another thread (`fs/exec.c:de_thread` copies it).
#[inline(always)]
pub fn leader_start(t: Task) -> u64 {
    load64(loadp(t, off_leader()), off_start())
}
/// Threads of the group that have not passed `exit_signals` yet (`kernel/exit.c:do_exit`).
#[inline(always)]
pub fn live(t: Task) -> u32 {
    load32(loadp(t, off_signal()), off_live())
}
/// 0 while the task lives; `kernel/exit.c:exit_notify` sets it, after the exit hook.
#[inline(always)]
pub fn exit_state(t: Task) -> u32 {
    load32(t, off_exit_state())
}
/// True until `kernel/fork.c:kernel_clone` wakes it, which is after its birth hooks.
#[inline(always)]
pub fn newborn(t: Task) -> bool {
    load32(t, off_state()) & TASK_NEW != 0
}
/// `SIGNAL_*` of the group.
#[inline(always)]
pub fn signal_flags(t: Task) -> u32 {
    load32(loadp(t, off_signal()), off_signal_flags())
}
/// What wait(2) will tell of the process when this task is the last of it (`kernel/exit.c:wait_task_zombie`), as
/// [`Ending::status`](killer_common::record::Ending::status) has it.
#[inline(always)]
pub fn status(t: Task) -> u32 {
    let signal = loadp(t, off_signal());
    let code = match load32(signal, off_signal_flags()) & GROUP_EXIT {
        0 => load32(loadp(t, off_leader()), off_exit_code()),
        _ => load32(signal, off_group_code()),
    };
    let victim = off_oom() != 0 && load64(signal, off_oom()) != 0;
    code & 0xffff | ENDED | if victim { NO_MEMORY } else { 0 }
}
/// Threads of the group.
#[inline(always)]
pub fn threads(t: Task) -> u32 {
    load32(loadp(t, off_signal()), off_threads())
}
/// Signals that wait for the task or for its group, bit n - 1 for signal n (`kernel/signal.c:__send_signal_locked`).
#[inline(always)]
pub fn pending(t: Task) -> u64 {
    load64(t, off_pending()) | load64(loadp(t, off_signal()), off_shared_pending())
}
/// Real uid.
#[inline(always)]
pub fn uid(t: Task) -> u32 {
    load32(loadp(t, off_cred()), off_uid())
}
/// pidfs inode of the process, 0 where the kernel has none.
#[inline(always)]
pub fn inode(t: Task) -> u64 {
    if off_ino() == 0 {
        return 0;
    }
    inode_of(loadp(t, off_signal()))
}
/// The same of the process with this `signal_struct`.
#[inline(always)]
fn inode_of(signal: usize) -> u64 {
    if off_ino() == 0 {
        return 0;
    }
    load64(loadp(signal, off_tgid_pid()), off_ino())
}
/// The leader's name.
#[inline(always)]
pub fn comm(t: Task) -> [u64; 2] {
    [load64(t, off_comm()), load64(t, off_comm() + 8)]
}
/// What the index keeps of a process beside its membership.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    /// Name of the leader.
    pub comm: [u64; 2],
    /// pidfs inode.
    pub inode: u64,
    /// Real uid.
    pub uid: u32,
}
/// These facts of a task.
#[inline(always)]
pub fn facts(t: Task) -> Facts {
    // Loaded once: for each load of a pointer from a task the verifier searches all of the kernel's types by name, some times over
    // (`kernel/bpf/btf.c:btf_nested_type_is_trusted`, 6.2+).
    let signal = loadp(t, off_signal());
    Facts { comm: comm(t), inode: inode_of(signal), uid: uid(t) }
}
/// (tgid, start) of the process.
#[inline(always)]
pub fn key(t: Task) -> TaskKey {
    TaskKey { tgid: tgid(t), pad: 0, start: leader_start(t) }
}
/// The real parent. Never used for lineage, except while adopting.
#[inline(always)]
pub fn real_parent(t: Task) -> Task {
    loadp(t, off_parent())
}

/// The current task as a trusted BTF pointer (`bpf_get_current_task_btf`, 5.11+).
#[inline(always)]
pub fn current() -> Task {
    // SAFETY: no arguments; the helper cannot fail.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task_btf() as usize }
}
/// Start of the current task's group leader; 0, "do not compare", where the kernel cannot say (before 5.11).
#[inline(always)]
pub fn current_start() -> u64 {
    if have_current_btf() == 0 {
        return 0;
    }
    leader_start(current())
}
/// Signals that wait for the current task or for its group. Before 5.11 they are read by address, where programs may do that; else none
/// is known, and user space says so of a broadcast (`ctl::HAS_PENDING`).
#[inline(always)]
pub fn current_pending() -> u64 {
    if have_current_btf() != 0 {
        return pending(current());
    }
    if reads_kernel() == 0 {
        return 0;
    }
    let t = current_addr();
    let group = read_by_address(t + off_signal() as u64);
    read_by_address(t + off_pending() as u64) | read_by_address(group + off_shared_pending() as u64)
}
/// Eight bytes of the kernel's memory (`bpf_probe_read_kernel`, 5.5+); 0 where nothing can be read. Programs with a call of it do not load
/// under lockdown=confidentiality, unless the verifier sees that it is never reached.
#[inline(always)]
fn read_by_address(at: u64) -> u64 {
    let mut v = 0u64;
    // SAFETY: eight bytes of our own; a fault is an error, not a crash.
    unsafe { aya_ebpf::helpers::generated::bpf_probe_read_kernel((&raw mut v).cast(), 8, at as *const _) };
    v
}
/// The current task's address as a map key.
#[inline(always)]
pub fn current_addr() -> u64 {
    // SAFETY: no arguments; the helper cannot fail.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() }
}
/// Thread group id of the current task.
#[inline(always)]
pub fn current_tgid() -> u32 {
    (aya_ebpf::helpers::bpf_get_current_pid_tgid() >> 32) as u32
}

/// Argument `n` of a hook as a pointer for loads.
#[inline(always)]
pub fn arg(ctx: *const u64, n: usize) -> Task {
    // SAFETY: the context of a tp_btf/raw_tp program holds its arguments as u64.
    unsafe { core::ptr::read_volatile(ctx.add(n)) as usize }
}
/// Argument `n` of a hook as a number, e.g. for a map key: read again on purpose (LLVM may otherwise reload
/// the pointer from a stack slot that a helper saw, and the verifier then knows only a scalar).
#[inline(always)]
pub fn arg_key(ctx: *const u64, n: usize) -> u64 {
    // SAFETY: as in `arg`.
    unsafe { core::ptr::read_volatile(ctx.add(n)) }
}

/// `CLOCK_BOOTTIME`, ns (5.8+; `kernel/time/timekeeping.c`).
#[inline(always)]
pub fn boottime() -> u64 {
    // SAFETY: no arguments.
    unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns() }
}
/// `CLOCK_MONOTONIC`, ns.
#[inline(always)]
pub fn monotonic() -> u64 {
    // SAFETY: no arguments.
    unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_ns() }
}
