//! Holds on slots of the pool: while a command looks at an instance, the kernel does not use its slot for another one
//! (docs/internals/PROTOCOL.md 11). Commands that look at the same time share one word: its deadline is the latest one of theirs, and
//! its low bits count them, so that the last one that lets go frees the slot. One that died is counted until the deadline.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bits of the word that count; the rest is the deadline. At this figure it counts no more, and runs out by itself.
pub(super) const COUNT: u64 = 0xff;

/// What this process holds: slots, and until when at least.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<Mine>);

#[derive(Debug, Default)]
struct Mine {
    /// A child that was forked holds nothing of its parent's.
    pid: u32,
    until: HashMap<u32, u64>,
}

impl Holds {
    /// Slots, and until when at least.
    pub(super) fn with<T>(&self, what: impl FnOnce(&mut HashMap<u32, u64>) -> T) -> T {
        let mut mine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = std::process::id();
        if mine.pid != pid {
            *mine = Mine { pid, until: HashMap::new() };
        }
        what(&mut mine.until)
    }
}

/// The word when somebody holds until then; `mine`: the deadline up to which it has held before.
pub(super) fn taken(word: u64, now: u64, until: u64, mine: Option<u64>) -> u64 {
    // Nobody holds: what dead commands have left is counted no more.
    let (deadline, count) = if word > now { (word & !COUNT, word & COUNT) } else { (0, 0) };
    // Before its own deadline nobody can have begun to count anew.
    let counted = mine.is_some_and(|d| d > now);
    let count = if counted { count.max(1) } else { (count + 1).min(COUNT) };
    deadline.max(until & !COUNT) | count
}

/// The word when one that has held up to `mine` lets go; `None`: it stays as it is.
pub(super) fn let_go(word: u64, now: u64, mine: u64) -> Option<u64> {
    // Past its deadline it may be counted no more: the count is that of others.
    match (mine > now, word & COUNT) {
        (false, _) | (_, 0 | COUNT) => None,
        (true, 1) => Some(0),
        (true, _) => Some(word - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1 << 30;

    #[test]
    fn the_last_one_frees_the_slot() {
        let a = taken(0, 5, 2 * S, None);
        assert_eq!(a, (2 * S) | 1);
        let b = taken(a, 6, 2 * S - 256, None);
        assert_eq!(b, (2 * S) | 2, "an earlier deadline counts all the same");
        assert_eq!(taken(b, 7, 3 * S, Some(2 * S)), (3 * S) | 2, "who holds already is counted once");
        assert_eq!(let_go(b, 8, 2 * S), Some(a));
        assert_eq!(let_go(a, 9, 2 * S - 256), Some(0));
    }

    #[test]
    fn what_has_run_out_is_nobodys() {
        let a = taken(0, 5, S, None);
        // It dies, or sleeps for too long; the next one begins to count anew, and it takes nothing from that.
        let b = taken(a, S + 2, 3 * S, None);
        assert_eq!(b, (3 * S) | 1);
        assert_eq!(let_go(b, S + 3, S), None);
        assert_eq!(taken(b, S + 3, 4 * S, Some(S)), (4 * S) | 2, "it is counted again");
        assert_eq!(let_go(b, 2 * S, 3 * S), Some(0));
    }

    #[test]
    fn more_than_can_be_counted_run_out() {
        let mut word = 0;
        for _ in 0..300 {
            word = taken(word, 5, S, None);
        }
        assert_eq!((word, let_go(word, 6, S)), (S | COUNT, None));
        assert_eq!(taken(word, 2 * S, 3 * S, None), (3 * S) | 1);
    }
}
