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

/// Newborns are killed at birth, and nobody else: who was there is sent another signal.
pub const NEWBORNS: u64 = 3;

/// The word after a request for `kind` until `deadline_ns`, [`KILL`] or [`NEWBORNS`], at `now_ns`; `None`: `old` stays. The later
/// deadline stands, so that no sweeper is cut short by another, and a [`KILL`] that holds stays one.
pub const fn extended(old: u64, kind: u64, deadline_ns: u64, now_ns: u64) -> Option<u64> {
    let kill = kind == KILL || kind_at(old, now_ns) == KILL;
    let until = if deadline(old) > deadline_ns { deadline(old) } else { deadline_ns };
    let new = word(if kill { KILL } else { kind }, until);
    if new == old { None } else { Some(new) }
}

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
    fn no_request_cuts_another_short() {
        let kill = word(KILL, 1_600);
        assert_eq!(extended(kill, NEWBORNS, 3_200, 800), Some(word(KILL, 3_200)));
        assert_eq!(extended(kill, NEWBORNS, 800, 800), None);
        assert_eq!(extended(kill, NEWBORNS, 3_200, 1_600), Some(word(NEWBORNS, 3_200)), "it has run out");
        assert_eq!(extended(word(NEWBORNS, 3_200), KILL, 1_600, 800), Some(word(KILL, 3_200)));
        assert_eq!(extended(OPEN, NEWBORNS, 1_600, 800), Some(word(NEWBORNS, 1_600)));
        assert_eq!(extended(word(KILL, 1_600), KILL, 3_200, 800), Some(word(KILL, 3_200)));
    }

    #[test]
    fn expired_is_open() {
        let w = word(KILL, 1_000_000);
        assert_eq!(kind_at(w, 999_000), KILL);
        assert_eq!(kind_at(w, 1_000_000), OPEN);
        assert_eq!(kind_at(OPEN, 5), OPEN);
    }
}
