//! Members that have ended.

use std::io;

use killer_common::record::{Dead, Ending};

/// What is remembered of them.
pub trait Past {
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> io::Result<Vec<Dead>>;
    /// Processes of the roots of `set` that left the list of members last and may hold memory, files and ports after that.
    /// Whether they still do is not known here.
    fn left_last(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending>;
    /// What wait(2) tells of a process that has ended, by its number and the start of its leader; `None` where the tier cannot read it
    /// (raw and legacy), and when another process with the same last 15 bits of its number has ended since.
    fn status(&self, pid: u32, start: u64) -> Option<u16>;
}
