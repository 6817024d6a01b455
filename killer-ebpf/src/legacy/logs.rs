//! No log: it needs a ring buffer (5.8+), and one line of it would make the whole object unloadable before.

/// Nobody reads.
#[inline(always)]
pub fn on() -> bool {
    false
}

/// Nothing is written.
#[inline(always)]
pub fn asked(_ctx: *const u64, _op: u64, _slot: u64, _result: i32) {}
