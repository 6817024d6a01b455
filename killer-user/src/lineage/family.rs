//! What the engine needs of a set that is signalled. Each of its functions asks for the traits that it uses, so what
//! a function can do to a set is read from its first line; it does not know which tier keeps the set, and its tests
//! put a fake behind it.

use std::io;
use std::time::Duration;

use killer_common::record::{Dead, Member};

use super::stillness::Still;
use crate::keep::Fate;

/// What the kernel counts, read in an order that makes two equal censuses a proof (docs/internals/PROTOCOL.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// (slot, generation) of every root of the family.
    pub roots: Vec<(u32, u32)>,
    /// Insertions ever, of all of them; read before the counts.
    pub inserts: u64,
    /// Tasks alive or being born.
    pub tasks: i64,
}

/// The members of a family, and the kernel's count of them.
pub trait Members {
    /// Thread group ids in PID order. It may lack or keep an entry for a moment.
    fn listed(&self) -> Vec<u32>;
    /// The entry of a process, when it is in this family.
    fn member(&self, tgid: u32) -> io::Result<Option<Member>>;
    /// Entries of many processes at once, in the order asked.
    fn members(&self, tgids: &[u32]) -> Vec<Member> {
        tgids.iter().filter_map(|&t| self.member(t).ok().flatten()).collect()
    }
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> Vec<Dead>;
    /// The kernel's counts.
    fn census(&self) -> Census;
    /// True when a parent does not go through its children each time that one ends, as far as can be seen.
    fn heedless(&self, m: &Member) -> bool;
    /// Why a member that was killed is still there: (code, words).
    fn explain(&self, m: &Member) -> (&'static str, String);
}

/// Processes, opened so that they cannot be mistaken, and signals to them.
pub trait Signals {
    /// A process that cannot be mistaken: a pidfd.
    type Fd;
    /// Opens whatever process has this number now.
    fn open(&self, tgid: u32) -> io::Result<Self::Fd>;
    /// Inode of what was opened; `None` where the kernel has none (before 6.9).
    fn inode(&self, fd: &Self::Fd) -> Option<u64>;
    /// Sends a signal to what was opened.
    fn send(&self, fd: &Self::Fd, signal: i32, value: Option<i32>) -> io::Result<()>;
    /// One that was sent a signal: how it ends may be asked of what was opened.
    fn witness(&self, _m: &Member, _fd: &Self::Fd) {}
    /// True when what was opened has ended to its last thread and let go of all it held.
    fn ended(&self, fd: &Self::Fd) -> bool;
    /// Sleeps until this one ends, or so long.
    fn pause(&self, fd: Option<&Self::Fd>, most: Duration);
}

/// Signals in the kernel, by the task itself.
pub trait Sweeping {
    /// Sends SIGKILL or SIGSTOP to these members, in this order, and answers what came of each. `near`: the caller and so many of its
    /// nearest ancestors, all in all, are never signalled. `None`: it cannot be done here, or not now, and some may have been
    /// signalled.
    fn sweep(&self, members: &[Member], signal: i32, near: usize) -> Option<Vec<Fate>>;
}

/// The clocks, and the caller's patience.
pub trait Clock {
    /// CLOCK_MONOTONIC, ns.
    fn monotonic(&self) -> u64;
    /// CLOCK_BOOTTIME, ns: what births are in.
    fn boottime(&self) -> u64;
    /// The caller wants this to end (SIGINT, SIGTERM).
    fn interrupted(&self) -> bool;
}

/// What keeps newborns from running.
pub trait Gated {
    /// Closes the gate, or renews it, until then (CLOCK_MONOTONIC ns), for everybody (`gate::KILL`) or for newborns alone
    /// (`gate::NEWBORNS`).
    fn close_gate(&self, kind: u64, until: u64);
    /// Opens the gates that this process closed last with that kind and deadline.
    fn open_gate(&self, kind: u64, until: u64);
    /// True when newborns of a gated family die before their first instruction.
    fn gate_at_birth(&self) -> bool;
    /// Begins to close the gate at system calls, too, or goes on with that: to be asked again until it answers true.
    /// It opens when the family is dropped.
    fn gate_at_syscalls(&mut self) -> io::Result<bool>;
    /// Takes launchers' marks away, so that no pending `run` or `exec` adds a process; answers how many.
    fn cancel_marks(&self) -> usize;
}

/// What holds a family still.
pub trait Freezing {
    /// Changes whether newborns and forkers are held still (`R_FREEZING`, `R_FROZEN`, `R_THAWING`, 0); answers what
    /// it was.
    fn set_freeze(&self, to: u64) -> io::Result<u64>;
    /// Whether processes can run code of their own, each of them.
    fn stillness(&self, members: &[Member]) -> Vec<Still>;
    /// Notes whether a member was stopped before the freeze.
    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()>;
}

/// Members that are in no list, because hooks did not run.
pub trait Repairs {
    /// Compares the set with every task of the host and repairs it.
    fn repair(&self) -> io::Result<()>;
    /// True where the kernel may skip runs of the hooks, so that a newborn may be in no list.
    fn can_lapse(&self) -> bool;
    /// When runs of the hooks were skipped since this was asked last, or since the order began: compares the set with
    /// every task. True when a process was found that was in no list.
    fn lapsed(&self) -> bool;
}
