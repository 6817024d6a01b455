//! What holds a root still.

use std::io;

use super::Slot;

/// Hooks in which newborns and forkers are held.
pub trait Freezer {
    /// Changes whether newborns and forkers of a root are held still (`R_FREEZING`, `R_FROZEN`, `R_THAWING`, 0); answers what it
    /// was.
    fn freeze(&self, s: Slot, to: u64) -> io::Result<u64>;
    /// Notes whether a member was stopped before the freeze.
    fn note_stopped(&self, s: Slot, tgid: u32, on: bool) -> io::Result<()>;
    /// Runs of the hook on signals that the kernel has skipped, ever, modulo 2^32; `None` where there is no such hook.
    fn unheard(&self) -> io::Result<Option<u32>>;
    /// True when the kernel keeps a member of a root from running, whatever state /proc shows.
    fn holds(&self, _s: Slot, _tgid: u32) -> bool {
        false
    }
}
