//! Slots of the pool are held while somebody looks at them, and let go at the end.

use std::io;

use super::Programs;
use super::holds::{COUNT, let_go, taken};
use crate::sys::clock;
use crate::sys::map::control::Word;

impl Programs {
    /// Keeps a slot from being used again until then.
    pub(in crate::bpf) fn hold_slot(&self, slot: u32, until: u64) -> io::Result<()> {
        let until = until.next_multiple_of(COUNT + 1);
        self.holds.with(|mine| {
            let before = mine.get(&slot).copied();
            // The clock is read after the word: what has run out by then had run out when it was read.
            let to = |word| Some(taken(word, clock::monotonic_ns(), until, before));
            self.heed(self.control.change(slot as usize, Word::Hold, to))?;
            mine.insert(slot, before.unwrap_or(0).max(until));
            Ok(())
        })
    }

    /// Lets every slot go that this process holds.
    pub(in crate::bpf) fn let_slots_go(&self) {
        self.holds.with(|mine| {
            for (slot, until) in mine.drain() {
                let to = |word| let_go(word, clock::monotonic_ns(), until);
                let _ = self.control.change(slot as usize, Word::Hold, to);
            }
        });
    }
}
