//! Broadcast of a signal that does not end its receivers: exactly once along every lineage path.
//!
//! A broadcast has an epoch, unique for this boot. The claim of a process is `epoch << 8 | signal << 2 | state` in a
//! word per tgid; a word of another epoch is [`NONE`]. The sweeper sets [`CLAIMED`] and sends; the hook on
//! `signal_generate` sets [`SENT`] in the moment of queueing; the fork hook decides what a newborn gets, and always
//! writes the newborn's word, so that a number that is used again does not carry its former owner's claim.

/// Not signalled in this epoch.
pub const NONE: u64 = 0;
/// The sweeper is about to send.
pub const CLAIMED: u64 = 1;
/// Sent, or inherited from a creator that had received it before it forked.
pub const SENT: u64 = 2;

/// The sweeper died between claim and send: sent at most once, by nobody again.
pub const UNKNOWN: u64 = 3;

/// Its fork hook has not decided yet: a sweeper that finds it looks again.
pub const UNDECIDED: u64 = 4;
/// The word that says so in every epoch, because the hook writes it before it asks which one holds.
pub const UNDECIDED_WORD: u64 = EPOCH_MASK << 8;

/// Newborns of creators that had not received it are sent it.
pub const NEWBORNS_SIGNAL: u32 = 0;
/// Newborns are left alone, whichever their creator is.
pub const NEWBORNS_IGNORE: u32 = 1;

/// Set in a broadcast's value while newborns that are behind are left to the sweeper: `bpf_send_signal_task` queues a value as
/// SI_KERNEL (`kernel/trace/bpf_trace.c:bpf_send_signal_common`, 6.13+), of which signalfd(2) shows the sender only, and the
/// sweeper as sigqueue(3). The value itself is the lower half.
pub const LATER: u64 = 1 << 32;

/// Bits of an epoch.
pub const EPOCH_MASK: u64 = (1 << 56) - 1;

/// The claim word.
#[inline(always)]
pub const fn word(epoch: u64, signal: u32, state: u64) -> u64 {
    epoch << 8 | ((signal & 63) as u64) << 2 | state
}

/// The state that a word means in an epoch.
#[inline(always)]
pub const fn state(word: u64, epoch: u64) -> u64 {
    if word == UNDECIDED_WORD {
        UNDECIDED
    } else if epoch_of(word) == epoch {
        word & 3
    } else {
        NONE
    }
}

/// The epoch of a word.
#[inline(always)]
pub const fn epoch_of(word: u64) -> u64 {
    word >> 8
}

/// The signal of a word; 64 is stored as 0.
#[inline(always)]
pub const fn signal_of(word: u64) -> u32 {
    let s = (word >> 2 & 63) as u32;
    if s == 0 { 64 } else { s }
}

/// Upper half of a birth's flags: the start of a fork, of its own birth under the witness, else of the task's last system
/// call while a broadcast stamps them.
pub const STAMP_MASK: u32 = 0xffff_0000;

/// The stamp of a fork's start: whether the creator had received the epoch's signal by then. Fourteen bits of the epoch,
/// 65 µs each, tell a stamp of a broadcast before.
#[inline(always)]
pub const fn stamp(epoch: u64, received: bool) -> u32 {
    1 << 31 | (received as u32) << 30 | ((epoch >> 16) as u32 & 0x3fff) << 16
}

/// What the stamp in some flags says in an epoch; `None` without one, or when it is of another epoch.
#[inline(always)]
pub const fn stamped(flags: u32, epoch: u64) -> Option<bool> {
    if (flags ^ stamp(epoch, false)) & (STAMP_MASK ^ 1 << 30) == 0 {
        Some(flags & 1 << 30 != 0)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_epoch_is_none() {
        assert_eq!(state(word(7, 34, SENT), 7), SENT);
        assert_eq!(state(word(6, 34, SENT), 7), NONE);
        assert_eq!(state(0, 7), NONE);
        assert_eq!(state(UNDECIDED_WORD, 7), UNDECIDED);
        let (now, before) = (7 << 20, 6 << 20);
        assert_eq!(stamped(stamp(now, true) | 33, now), Some(true));
        assert_eq!(stamped(stamp(now, false) | 33, now), Some(false));
        assert_eq!(
            (stamped(stamp(before, true), now), stamped(33, now), stamped(0, now)),
            (None, None, None)
        );
        assert_eq!((signal_of(word(1, 64, 0)), signal_of(word(1, 34, 2))), (64, 34));
    }
}
