//! Programs of a few instructions written by hand, for finding out what a kernel does.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use super::bpf::{self, For};
use super::lack::Lack;

const CURRENT_PID_TGID: i32 = 14;

/// One instruction: opcode, destination and source registers, offset, immediate.
const fn insn(op: u8, dst: u8, src: u8, off: i16, imm: i32) -> u64 {
    op as u64 | (dst as u64) << 8 | (src as u64) << 12 | (off as u16 as u64) << 16 | (imm as u32 as u64) << 32
}

/// True when the kernel has this helper, in any program.
pub fn has_helper(number: i32) -> bool {
    let code = [insn(0x85, 0, 0, 0, number), insn(0xb7, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0)];
    bpf::load_plain(For::Packets, &code).is_ok()
}

/// True when programs can send a signal to the current process (`bpf_send_signal`, 5.3+).
pub fn can_signal() -> bool {
    const SEND_SIGNAL: i32 = 109;
    let code = [
        insn(0xb7, 1, 0, 0, 0),
        insn(0x85, 0, 0, 0, SEND_SIGNAL),
        insn(0xb7, 0, 0, 0, 0),
        insn(0x95, 0, 0, 0, 0),
    ];
    !Lack::SendSignal.asked() && bpf::load_plain(For::Records, &code).is_ok()
}

/// True when programs can read the kernel's memory by address (`bpf_probe_read_kernel`, 5.5+; not under
/// lockdown=confidentiality, `kernel/trace/bpf_trace.c:bpf_tracing_func_proto`).
pub fn can_read_kernel() -> bool {
    const PROBE_READ_KERNEL: i32 = 113;
    let code = [
        insn(0xbf, 1, 10, 0, 0),
        insn(0x07, 1, 0, 0, -8),
        insn(0xb7, 2, 0, 0, 8),
        insn(0xb7, 3, 0, 0, 0),
        insn(0x85, 0, 0, 0, PROBE_READ_KERNEL),
        insn(0xb7, 0, 0, 0, 0),
        insn(0x95, 0, 0, 0, 0),
    ];
    !Lack::KernelMemory.asked() && bpf::load_plain(For::Raw, &code).is_ok()
}

/// Number of `bpf_ktime_get_boot_ns` (5.8+).
pub const BOOT_CLOCK: i32 = 125;

/// True when programs can read `CLOCK_BOOTTIME`.
pub fn has_boot_clock() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| !Lack::BootClock.asked() && has_helper(BOOT_CLOCK))
}

/// Loads an LSM program for the hook with this BTF id that allows everything.
pub fn load_lsm(hook: u32) -> io::Result<OwnedFd> {
    bpf::load_plain(For::Security(hook), &[insn(0xb7, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0)])
}

/// Attaches an LSM program to the hook with this BTF id that denies with EPERM what the task `pid_tgid` does, and
/// nobody else. It acts as long as the descriptors live.
pub fn deny_only(hook: u32, pid_tgid: u64) -> io::Result<[OwnedFd; 2]> {
    let code = [
        insn(0x85, 0, 0, 0, CURRENT_PID_TGID),
        // A 64-bit immediate takes two slots.
        insn(0x18, 1, 0, 0, pid_tgid as i32),
        insn(0, 0, 0, 0, (pid_tgid >> 32) as i32),
        insn(0x1d, 0, 1, 2, 0),
        insn(0xb7, 0, 0, 0, 0),
        insn(0x95, 0, 0, 0, 0),
        insn(0xb7, 0, 0, 0, -libc::EPERM),
        insn(0x95, 0, 0, 0, 0),
    ];
    let prog = bpf::load_plain(For::Security(hook), &code)?;
    let link = bpf::raw_tracepoint_open(&prog, "")?;
    Ok([prog, link])
}
