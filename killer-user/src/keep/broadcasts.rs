//! Signals that every member receives once while they fork: newborns are decided at birth, by their creator's claim.

use std::io;
use std::sync::atomic::AtomicU64;

use super::Held;

/// A signal that is to be received exactly once along every lineage path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Names it, see `killer_common::claim`.
    pub epoch: u64,
    /// The signal.
    pub signal: i32,
    /// Value of a real-time signal.
    pub value: Option<i32>,
    /// What newborns get: `NEWBORNS_*`.
    pub newborns: u32,
    /// Newborns that are behind are left to the sweeper, `killer_common::claim::LATER`.
    pub later: bool,
}

/// Decisions at birth.
pub trait Broadcasts {
    /// From here on a claim is settled in the moment in which its signal is queued. Under the registry's lock, before the first claim.
    ///
    /// # Errors
    /// It is not: whether a child was forked before its creator took the signal cannot be known.
    fn hear(&self) -> io::Result<()>;
    /// This process begins no more: nothing has to be settled on its behalf.
    fn hear_no_more(&self);
    /// Begins a broadcast for a root and those inside it: newborns are decided at birth until then.
    fn begin(&self, slot: u32, b: &Broadcast, until: u64);
    /// The broadcast of a root that still holds, after renewing it until then: its signal.
    fn renew(&self, slot: u32, now: u64, until: u64) -> Option<i32>;
    /// True when newborns that are behind are sent the signal at birth, before their first instruction: exactly once, also while
    /// they fork. Else the sweeper has to find them.
    fn sends_at_birth(&self) -> bool;
    /// False where a creator that has the signal still pending is taken for one that has received it: a process that is born
    /// during the broadcast may have been missed.
    fn sees_pending(&self) -> bool;
    /// Newborns that are behind in a root's broadcast are sent it at birth from here on.
    fn leave_to_births(&self, slot: u32);
    /// Has the start of each fork in these roots stamped, where another thread could take the signal meanwhile, until
    /// [`Broadcasts::end_stamps`]; `None` where it is stamped anyway.
    fn stamp_calls(&self, slots: &[u32], epoch: u64) -> io::Result<Option<Box<dyn Held>>>;
    /// Ends that.
    fn end_stamps(&self, slot: u32);
    /// So many entries of system calls, ever, were not stamped because the kernel has skipped the program (7.0+): what is forked in
    /// such a call counts as forked before the broadcast.
    ///
    /// # Errors
    /// It cannot be read.
    fn unstamped(&self) -> io::Result<u64>;
    /// The claim word of a process; `None`: its number is beyond the words.
    fn claim(&self, tgid: u32) -> Option<&AtomicU64>;
}
