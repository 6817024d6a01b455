//! The gate word: a lease, the deadline with its low four bits replaced by the kind, in one `u64`.
//!
//! The deadline is nanoseconds of `CLOCK_MONOTONIC`, rounded down to 16, so that one exchange changes both.
//! Hooks treat an expired lease as open, so a dead `killer` gates nobody.

/// No gate.
pub const OPEN: u64 = 0;
/// Newborns are killed at birth (D) or members at their system calls (C).
pub const KILL: u64 = 1;

/// Newborns, and members that make a system call, are stopped. A state of the root (`R_FREEZING`, `R_FROZEN`), never in a
/// gate word: it outlives the command.
pub const FREEZE: u64 = 2;

/// Makes a gate word that holds until `deadline_ns` on `CLOCK_MONOTONIC`.
#[inline(always)]
pub const fn word(kind: u64, deadline_ns: u64) -> u64 {
    (deadline_ns >> 4) << 4 | (kind & 15)
}

/// The kind of gate that holds at `now_ns`, [`OPEN`] when the lease has run out.
#[inline(always)]
pub const fn kind_at(word: u64, now_ns: u64) -> u64 {
    if word & !15 > now_ns { word & 15 } else { OPEN }
}

/// The deadline in nanoseconds of `CLOCK_MONOTONIC`.
pub const fn deadline(word: u64) -> u64 {
    word & !15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_is_open() {
        let w = word(KILL, 1_000_000);
        assert_eq!(kind_at(w, 999_000), KILL);
        assert_eq!(kind_at(w, 1_000_000), OPEN);
        assert_eq!(kind_at(OPEN, 5), OPEN);
    }
}
