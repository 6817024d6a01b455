//! What the engine needs of a set that is signalled: it sees only the [`Family`] trait, so it does not know which tier keeps
//! the set, and its tests put a fake behind it.

use std::io;
use std::time::Duration;

use killer_common::record::{Dead, Member};

use super::describe::Pending;
use super::stillness::Still;

/// What the kernel counts, read in an order that makes two equal censuses a proof (docs/PROTOCOL.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// (slot, generation) of every root of the family.
    pub roots: Vec<(u32, u32)>,
    /// Insertions ever, of all of them; read before the counts.
    pub inserts: u64,
    /// Tasks alive or being born.
    pub tasks: i64,
}

/// What the engine needs of a set.
pub trait Family {
    /// A process that cannot be mistaken: a pidfd.
    type Fd;
    /// Thread group ids in PID order. It may lack or keep an entry for a moment.
    fn listed(&self) -> Vec<u32>;
    /// The list, and whether nobody was added between its beginning and its end: then whoever lives has somebody in it. A
    /// lineage that hops from number to number can slip from a list in PID order.
    fn listed_whole(&self) -> (Vec<u32>, bool) {
        let before = self.census().inserts;
        let listed = self.listed();
        (listed, self.census().inserts == before)
    }
    /// The entry of a process, when it is in this family.
    fn member(&self, tgid: u32) -> io::Result<Option<Member>>;
    /// Entries of many processes at once, in the order asked.
    fn members(&self, tgids: &[u32]) -> Vec<Member> {
        tgids.iter().filter_map(|&t| self.member(t).ok().flatten()).collect()
    }
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> Vec<Dead>;
    /// Opens whatever process has this number now.
    fn open(&self, tgid: u32) -> io::Result<Self::Fd>;
    /// Inode of what was opened; `None` where the kernel has none (before 6.9).
    fn inode(&self, fd: &Self::Fd) -> Option<u64>;
    /// Sends a signal to what was opened.
    fn send(&self, fd: &Self::Fd, signal: i32, value: Option<i32>) -> io::Result<()>;
    /// True when what was opened has ended to its last thread and let go of all it held.
    fn ended(&self, fd: &Self::Fd) -> bool;
    /// Sleeps until one of these ends, or so long.
    fn pause(&self, fd: Option<&Self::Fd>, most: Duration);
    /// The kernel's counts.
    fn census(&self) -> Census;
    /// Closes the gate, or renews it, until then (CLOCK_MONOTONIC ns).
    fn close_gate(&self, until: u64);
    /// Opens the gates that this process closed last with that deadline.
    fn open_gate(&self, until: u64);
    /// True when newborns of a gated family die before their first instruction.
    fn gate_at_birth(&self) -> bool;
    /// Begins to close the gate at system calls, too, or goes on with that: to be asked again until it answers true. It opens
    /// when the family is dropped.
    fn gate_at_syscalls(&mut self) -> io::Result<bool>;
    /// Begins a broadcast: from here on newborns are decided at birth (see `killer_common::claim`); it holds for some time
    /// after the command, for forks in flight. Answers how many members have not taken the same signal of the broadcast
    /// before although it has waited for them: a signal that does not queue is one then.
    /// `newborns` is what newborns get, `killer_common::claim::NEWBORNS_*`.
    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize;
    /// The broadcast goes on.
    fn go_on(&self);
    /// True when newborns that are behind are sent the signal at birth: the sweeper need not find them.
    fn sends_at_birth(&self) -> bool;
    /// From here on newborns that are behind are sent the signal at birth, when that was left to the sweeper so far because a
    /// queued value cannot be sent there as sigqueue(3) sends it; true when that was so.
    fn leave_to_births(&self) -> bool {
        false
    }
    /// Who has it pending, so that his children can be behind; `No` where those are sent it at birth.
    fn pending(&self) -> Pending;
    /// No more claims will be set by this call; newborns are still decided for a while. False when a fork may be in flight whose child
    /// would not be sent what it owes.
    fn finish(&mut self) -> bool;
    /// The claim of a process in this broadcast, `killer_common::claim` states.
    fn claim(&self, tgid: u32) -> u64;
    /// Changes it when it is what it is thought to be.
    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool;
    /// Processes that a sweeper had claimed and perhaps signalled when it died, each with that signal; they are told once.
    fn unknown(&self) -> Vec<(Member, i32)>;
    /// Changes whether newborns and forkers are held still (`R_FREEZING`, `R_FROZEN`, `R_THAWING`, 0); answers what it was.
    fn set_freeze(&self, to: u64) -> io::Result<u64>;
    /// Whether a process can run code of its own.
    fn stillness(&self, m: &Member) -> Still;
    /// Notes whether a member was stopped before the freeze.
    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()>;
    /// Takes launchers' marks away, so that no pending `run` or `exec` adds a process; answers how many.
    fn cancel_marks(&self) -> usize;
    /// Compares the set with every task of the host and repairs it.
    fn repair(&self) -> io::Result<()>;
    /// True where the kernel may skip runs of the hooks, so that a newborn may be in no list.
    fn can_lapse(&self) -> bool;
    /// When runs of the hooks were skipped since this was asked last, or since the order began: compares the set with every
    /// task. True when somebody was found who was in no list.
    fn lapsed(&self) -> bool;
    /// The caller wants this to end (SIGINT, SIGTERM).
    fn interrupted(&self) -> bool;
    /// CLOCK_MONOTONIC, ns.
    fn monotonic(&self) -> u64;
    /// CLOCK_BOOTTIME, ns: what births are in.
    fn boottime(&self) -> u64;
    /// Why a member that was killed is still there: (code, words).
    fn explain(&self, m: &Member) -> (&'static str, String);
}
