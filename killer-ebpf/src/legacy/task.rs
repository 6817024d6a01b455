//! Tasks without their layout: what helpers say of the current one, and one field of a newborn.

use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated as h;

use crate::knobs;
use crate::maps::MEMBERS;

/// A `task_struct` address; nothing is loaded through it.
pub type Task = usize;

/// The tier by classic tracepoints: their records have no pointers, so tasks are known by thread id.
pub const BY_TID: u32 = 2;

/// The current task as a map key: its address, or its thread id. An id is not used again before its task was released,
/// which is after its exit hook, and up to 5.10 no exit hook is lost.
#[inline(always)]
pub fn current_addr() -> u64 {
    if knobs::second() == BY_TID {
        return h_pid_tgid() & 0xffff_ffff;
    }
    // SAFETY: no arguments; the helper cannot fail.
    unsafe { h::bpf_get_current_task() }
}

#[inline(always)]
fn h_pid_tgid() -> u64 {
    aya_ebpf::helpers::bpf_get_current_pid_tgid()
}

/// Thread id of the current task.
#[inline(always)]
pub fn current_tid() -> u32 {
    h_pid_tgid() as u32
}

/// Thread group id of the current task.
#[inline(always)]
pub fn current_tgid() -> u32 {
    (h_pid_tgid() >> 32) as u32
}

/// Not known.
#[inline(always)]
pub fn current_start() -> u64 {
    0
}

/// Not needed.
#[inline(always)]
pub fn current() -> Task {
    0
}

/// Threads of the current process, as counted by the hooks.
#[inline(always)]
pub fn threads(_t: Task) -> u32 {
    // SAFETY: plain data.
    unsafe { MEMBERS.get(&current_tgid()) }.map_or(0, |m| m.threads)
}

/// What the index keeps of a process beside its membership.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    /// Name of the leader.
    pub comm: [u64; 2],
    /// pidfs inode.
    pub inode: u64,
    /// `signal_struct` address.
    pub signal: u64,
    /// Real uid.
    pub uid: u32,
}

/// These facts of a newborn: its creator's, which is the current task.
#[inline(always)]
pub fn facts(_t: Task) -> Facts {
    let mut comm = [0u64; 2];
    // SAFETY: 16 bytes of our own.
    unsafe { h::bpf_get_current_comm(comm.as_mut_ptr().cast(), 16) };
    Facts { comm, inode: 0, signal: 0, uid: aya_ebpf::helpers::bpf_get_current_uid_gid() as u32 }
}

/// `tgid` of a task, at the offset that was found.
#[inline(always)]
pub fn tgid(t: Task) -> Option<u32> {
    // SAFETY: a fault is an error, not a crash.
    unsafe { bpf_probe_read_kernel((t + knobs::off_tgid() as usize) as *const u32) }.ok()
}

/// Argument `n` of a raw tracepoint.
#[inline(always)]
pub fn arg(ctx: *const u64, n: usize) -> Task {
    arg_key(ctx, n) as usize
}

/// The same as a number.
#[inline(always)]
pub fn arg_key(ctx: *const u64, n: usize) -> u64 {
    // SAFETY: the context of a raw tracepoint program holds its arguments as u64.
    unsafe { core::ptr::read_volatile(ctx.add(n)) }
}

/// `CLOCK_BOOTTIME`, ns (5.8+).
#[inline(always)]
pub fn boottime() -> u64 {
    // SAFETY: no arguments.
    unsafe { h::bpf_ktime_get_boot_ns() }
}

/// `CLOCK_MONOTONIC`, ns.
#[inline(always)]
pub fn monotonic() -> u64 {
    // SAFETY: no arguments.
    unsafe { h::bpf_ktime_get_ns() }
}
