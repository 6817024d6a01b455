//! Members that have ended.

use std::io;

use killer_common::record::{Dead, ENDED, Ending, NO_MEMORY};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HowEnded {
    /// What wait(2) tells of it.
    pub status: u16,
    /// The kernel had chosen it when memory ran out.
    pub no_memory: bool,
    /// When its last thread ended, `CLOCK_BOOTTIME` ns; 0 when it ended with code 0: that is not noted.
    pub at: u64,
}

impl HowEnded {
    /// From what a program has noted; `None`: that is not known.
    pub fn of(status: u32, at: u64) -> Option<Self> {
        let no_memory = status & NO_MEMORY != 0;
        (status & ENDED != 0).then_some(Self { status: status as u16, no_memory, at })
    }
}

/// What is remembered of them.
pub trait Past {
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> io::Result<Vec<Dead>>;
    /// Processes of the roots of `set` that left the list of members last and may hold memory, files and ports after that.
    /// Whether they still do is not known here.
    fn left_last(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending>;
    /// Whether the tier can read how processes end (not raw and legacy).
    fn tells_ends(&self) -> bool;
    /// How a process that has ended did, by its number and the start of its leader; `None` where the tier cannot read it
    /// (raw and legacy), and when another process with the same last 15 bits of its number has ended since.
    fn status(&self, pid: u32, start: u64) -> Option<HowEnded>;
}
