//! The recorder: who forked whom and what each has executed, of members or of the whole host.

use std::fmt::Debug;
use std::io;

use killer_common::record::TaskKey;
use killer_common::recorder::{Exec, Node, Recorder, Sent};

use super::{Candidate, KeepError};
use crate::sys::clock::TICK;

/// Which processes are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Members of services.
    Members,
    /// Every process of the host.
    Everybody,
}

/// The recorder as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Of whom.
    pub scope: Scope,
    /// What it says of itself.
    pub figures: Recorder,
    /// Runs of its programs that the kernel has skipped (5.12+; before, none is), but for the next one's.
    pub skipped: u64,
    /// Runs of the program that notes senders of signals, likewise.
    pub unheard: u64,
    /// Its hooks are attached.
    pub attached: bool,
    /// The kernel's memory can be read: paths, names and directories are there (not under lockdown=confidentiality).
    pub names: bool,
}

impl Recording {
    /// True when it has missed no fork and no end since it began.
    pub fn is_whole(&self) -> bool {
        let f = &self.figures;
        self.attached && f.complete != 0 && self.skipped == 0 && f.lost_nodes == 0 && f.lost_ends == 0
    }
}

/// Who descends from a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// When the process itself was forked, `CLOCK_BOOTTIME` ns.
    pub born: u64,
    /// Those that live, with the process itself; the oldest first.
    pub living: Vec<Node>,
    /// Whether nobody else does: each fork below it was recorded, and all were found.
    pub whole: bool,
    /// It cannot be known: it was there before it was recorded, or is too deep, or something was missed.
    pub never: bool,
}

/// What can record.
pub trait Records: Debug {
    /// What is recorded now; `None`: nothing.
    ///
    /// # Errors
    /// Of the look-ups.
    fn recording(&self) -> io::Result<Option<Recording>>;
    /// Begins to record, or records more; with less, or `None`, what was recorded is forgotten. The registry is locked.
    ///
    /// # Errors
    /// The programs cannot be loaded or attached.
    fn record(&self, scope: Option<Scope>) -> Result<(), KeepError>;
    /// Everybody who is remembered: alive, or with a node that holds it, or among the last that have ended.
    ///
    /// # Errors
    /// Of the look-ups.
    fn nodes(&self) -> io::Result<Vec<Node>>;
    /// What a process has executed, as far as that is kept, in order.
    ///
    /// # Errors
    /// Of the look-ups.
    fn execs(&self, of: &Node) -> io::Result<Vec<Exec>>;
    /// A process, as long as it is remembered.
    ///
    /// # Errors
    /// Of the look-ups.
    fn node(&self, key: TaskKey) -> io::Result<Option<Node>>;
    /// Who sent a process this signal last, where that could end it; of about 4096 signals that could, the last ones.
    ///
    /// # Errors
    /// Of the look-up.
    fn sent(&self, to: TaskKey, signal: u32) -> io::Result<Option<Sent>>;
    /// Who descends from a process, alive or ended, as far as is recorded.
    ///
    /// # Errors
    /// Of the look-ups.
    fn below(&self, top: TaskKey) -> io::Result<Below>;
}

/// A recorded process as one that can be taken in.
pub fn candidate(n: &Node) -> Candidate {
    Candidate { pid: n.key.tgid, start_ticks: n.key.start / TICK, inode: n.inode }
}
