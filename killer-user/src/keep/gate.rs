//! The gate in the kernel: newborns of a gated root die, and so do its members at their system calls.

use std::io;

use super::Held;

/// Closes a gate; that takes as long as the kernel lets programs that run come to their end.
pub type Closes = Box<dyn FnOnce() -> io::Result<Box<dyn Held + Send>> + Send>;

/// The gate, which [`Keep::close_gate`](super::Keep::close_gate) closes.
pub trait Gate {
    /// True while it is closed for a root.
    fn is_closed(&self, slot: u32) -> bool;
    /// Its name, where it acts at birth: newborns of a gated root never run.
    fn at_birth(&self) -> Option<&'static str>;
    /// What closes it at system calls, too, from whichever thread, while its answer is held.
    fn at_syscalls(&self) -> io::Result<Closes>;
    /// Whether it acts at system calls: attached is not yet acting.
    fn acts_at_syscalls(&self) -> bool;

    /// The slot is given to no other root until then, `CLOCK_MONOTONIC` ns, or until this process lets go; of several commands the
    /// one that holds longest counts. The record has to be read again afterwards: only if it is the same, it stays the same.
    fn hold(&self, slot: u32, until: u64);
    /// Lets all slots go that were held here: after the last look, and never before a proof. Done when this is dropped, too.
    fn let_go(&self);
    /// No gate, no broadcast and no hold is left on this slot of whoever had it before. Who gives it to another root asks before,
    /// and again when its record is the new one.
    fn is_at_rest(&self, slot: u32) -> bool;
}
