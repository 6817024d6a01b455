//! The programs' log: off unless some `killer -vvv` holds its lease, read with aya-log.

use aya_ebpf::programs::RawTracePointContext;

use crate::maps::GLOBAL;
use crate::task;

/// True while somebody reads.
#[inline(always)]
pub fn on() -> bool {
    match GLOBAL.get_ptr(0) {
        // SAFETY: g points to a whole Global.
        Some(g) => unsafe {
            let until = core::ptr::read_volatile(&raw const (*g).log_until);
            until != 0 && until > task::monotonic()
        },
        None => false,
    }
}

#[inline(always)]
fn c(ctx: *const u64) -> RawTracePointContext {
    RawTracePointContext::new(ctx as *mut _)
}

/// A birth was registered.
#[inline(never)]
pub fn born(ctx: *const u64, root: u32, creator: u32, child: u32) {
    aya_log_ebpf::debug!(&c(ctx), "root {}: {} forked {}", root, creator, child);
}

/// A task ended.
#[inline(never)]
pub fn ended(ctx: *const u64, root: u32, tgid: u32, live: u32) {
    aya_log_ebpf::debug!(&c(ctx), "root {}: a task of {} ended, {} left in it", root, tgid, live);
}

/// A newborn was killed at the gate.
#[inline(never)]
pub fn denied(ctx: *const u64, root: u32, result: i32) {
    aya_log_ebpf::debug!(&c(ctx), "root {}: newborn killed at the gate: {}", root, result);
}

/// An on-demand change.
#[inline(never)]
pub fn asked(ctx: *const u64, op: u64, slot: u64, result: i32) {
    aya_log_ebpf::debug!(&c(ctx), "request {} on slot {}: {}", op, slot, result);
}
