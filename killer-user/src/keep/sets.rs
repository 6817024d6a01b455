//! The members of each root, the count that proves "empty", and reasons to doubt.

use std::fmt::Debug;
use std::io;

use killer_common::record::{Member, Pop, Reasons};

use super::Slot;

/// The sets. Members are an index for people and for signals; what decides is [`Sets::count`].
pub trait Sets: Debug {
    /// Tasks of a root alive or being born; 0 is the proof that it is empty, and stays unless something is started in it.
    fn count(&self, slot: u32) -> i64;
    /// Figures of a root.
    fn pop(&self, slot: u32) -> Pop;
    /// The entry of a process.
    fn member(&self, tgid: u32) -> io::Result<Option<Member>>;
    /// Every entry.
    fn all_members(&self) -> io::Result<Vec<Member>>;
    /// Thread group ids of the roots of `set`, in PID order.
    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32>;
    /// Slot of the root that this process is a member of.
    fn whose(&self) -> io::Result<Option<u32>>;
    /// An error when any look-up so far has failed: what was shown or signalled may lack somebody.
    fn sound(&self) -> io::Result<()>;

    /// Counts a reason against a root.
    fn reason(&self, s: Slot, reason: u32) -> io::Result<()>;
    /// The same, so often.
    fn reason_times(&self, s: Slot, reason: u32, times: u64) -> io::Result<()> {
        (0..times).try_for_each(|_| self.reason(s, reason))
    }
    /// Reasons counted against a root.
    fn reasons(&self, slot: u32) -> Option<Reasons>;
    /// True when neither a birth nor an end can be missed, whatever health is counted.
    fn cannot_miss(&self) -> bool;
}
