//! Tasks without their layout: what helpers say of the current one, and one field of a newborn.

use aya_ebpf::helpers::generated as h;
use killer_common::patch;

use crate::knobs;
use crate::process;

/// No task can be known for the leader of another: records of processes stand apart.
pub const LEADERS: bool = false;

/// A `task_struct` address; nothing is loaded through it.
pub type Task = usize;

/// A helper without arguments, which the loader chooses.
#[inline(always)]
fn chosen(n: u32) -> u64 {
    // SAFETY: the number is a call target that the loader replaces before the program is loaded.
    let f: extern "C" fn() -> u64 = unsafe { core::mem::transmute((patch::CALL + n) as usize) };
    f()
}

/// The current task as a map key: its address, or its thread id. An id is not used again before its task was released,
/// which is after its exit hook, and up to 5.10 no exit hook is lost.
#[inline(always)]
pub fn current_addr() -> u64 {
    let shift = knobs::key_shift();
    chosen(patch::CURRENT).wrapping_shl(shift).wrapping_shr(shift)
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
    // SAFETY: m points to a whole Member.
    process::of(current_tgid()).map_or(0, |m| unsafe { (*m).threads })
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

/// These facts of a newborn: its creator's, which is the current task.
#[inline(always)]
pub fn facts(_t: Task) -> Facts {
    let mut comm = [0u64; 2];
    // SAFETY: 16 bytes of our own.
    unsafe { h::bpf_get_current_comm(comm.as_mut_ptr().cast(), 16) };
    Facts { comm, inode: 0, uid: aya_ebpf::helpers::bpf_get_current_uid_gid() as u32 }
}

/// `tgid` of a task, at the offset that was found.
#[inline(always)]
pub fn tgid(t: Task) -> Option<u32> {
    read(t + knobs::off_tgid() as usize)
}

/// Four bytes of the kernel's memory: `bpf_probe_read` (4.1+) and not `bpf_probe_read_kernel` (5.5+), which is the same where
/// an address is either the kernel's or a program's.
#[inline(always)]
pub fn read(at: usize) -> Option<u32> {
    let mut v = 0u32;
    // SAFETY: four bytes of our own; a fault is an error, not a crash.
    let r = unsafe { h::bpf_probe_read((&raw mut v).cast(), 4, at as *const _) };
    (r == 0).then_some(v)
}

/// The four bytes at an offset of the current task; 0 where nothing can be read.
#[inline(always)]
pub fn peek(offset: u64) -> i32 {
    read((current_addr() + offset) as usize).map_or(0, |v| v as i32)
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

/// `CLOCK_BOOTTIME`, ns, from 5.8 on. Before, it stands still while the host sleeps, but for what it slept before the programs were
/// loaded.
#[inline(always)]
pub fn boottime() -> u64 {
    chosen(patch::CLOCK).wrapping_add(knobs::ahead())
}

/// `CLOCK_MONOTONIC`, ns.
#[inline(always)]
pub fn monotonic() -> u64 {
    // SAFETY: no arguments.
    unsafe { h::bpf_ktime_get_ns() }
}
