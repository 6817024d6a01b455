//! What puts processes into a set, and ends one.

use std::io;

use killer_common::record::TaskKey;

use super::{Keep, Slot};
use crate::sys::launch::{Launch, Spawned};

/// A running process that is to be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub pid: u32,
    /// Its start in clock ticks, as /proc has it.
    pub start_ticks: u64,
    /// Its pidfs inode (6.9+); of no meaning before, and 0, which is compared with none, where there are no pidfds.
    pub inode: u64,
}

/// What an adoption saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Passes over all tasks.
    pub passes: u32,
    /// True when the last passes added nothing and nothing odd was seen.
    pub quiet: bool,
}

/// What an adoption by the recorder saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBelow {
    /// Passes over all tasks.
    pub passes: u32,
    /// Nobody else descends from that process: the set is exact.
    pub whole: bool,
    /// Descendants that are members of other roots, and stay that.
    pub elsewhere: u32,
}

/// Changes of a set that a second list of it must learn of. So they are no part of [`Keep`]: they are to be had from the one that
/// has both lists.
pub trait Changes: Keep {
    /// Starts a process as a member of a root (`flags`: `B_MAIN`, `B_CONTROL`), a member before its first instruction. `ready`
    /// is called when it is one, before exec. The outer error: nothing was started. EPERM: the root is being killed.
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned>;
    /// Takes a running process and its present descendants in. What is a member of `from` is moved out of that root; members of others
    /// stay what they are. Unsupported: this tier moves nobody.
    fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken>;
    /// Takes everybody in who descends from a process, alive or ended, as the recorder has it, and is a member of nothing.
    /// Unsupported: nothing is recorded here.
    fn adopt_below(&self, s: Slot, top: TaskKey) -> io::Result<TakenBelow> {
        let _ = (s, top);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Frees a slot whose count is 0. EBUSY: it is not.
    fn forget(&self, s: Slot) -> io::Result<()>;
}
