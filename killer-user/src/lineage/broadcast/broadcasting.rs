//! What the engine needs of a family in order to send everybody a signal while they fork.

use super::pending::Pending;

/// A broadcast: claims, one for each process, that say whether it was sent the signal (see `killer_common::claim`).
pub trait Broadcasting {
    /// Begins a broadcast: from here on newborns are decided at birth; it holds for some time after the command, for forks in
    /// flight. Answers how many members have not taken the same signal of the broadcast before although it has waited for
    /// them: a signal that does not queue is one then.
    /// `newborns` is what newborns get, `killer_common::claim::NEWBORNS_*`.
    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize;
    /// The broadcast goes on.
    fn go_on(&self);
    /// Thread group ids in PID order, and whether none was added between the beginning and the end of the list: then every
    /// live process has an entry in it. A lineage that hops from number to number can slip from a list in PID order.
    fn listed_whole(&self) -> (Vec<u32>, bool);
    /// The claim of a process in this broadcast, `killer_common::claim` states.
    fn claim(&self, tgid: u32) -> u64;
    /// Changes it when it is what it is thought to be.
    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool;
    /// True when newborns that are behind are sent the signal at birth: the sweeper need not find them.
    fn sends_at_birth(&self) -> bool;
    /// From here on newborns that are behind are sent the signal at birth, when that was left to the sweeper so far because a
    /// queued value cannot be sent there as sigqueue(3) sends it; true when that was so.
    fn leave_to_births(&self) -> bool {
        false
    }
    /// Waits until no fork is in flight that began before its process had received the signal; false when one may still be. Where
    /// newborns are not sent it at birth, a list that is made afterwards has each process that is behind.
    fn forks_landed(&self) -> bool {
        true
    }
    /// How the signal waits for the member that it waits for longest, so that its children can be behind; `No` where those are
    /// sent it at birth.
    fn pending(&self) -> Pending;
    /// No more claims will be set by this call; newborns are still decided for a while. False when a fork may be in flight whose
    /// child would not be sent what it owes.
    fn finish(&mut self) -> bool;
}
