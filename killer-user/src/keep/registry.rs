//! Names and slots of roots, and what is noted of each.

use std::fmt::Debug;
use std::io;

use killer_common::record::{R_FREE, RootRecord};

use super::{Held, KeepError, Slot};

/// The lock on a registry; it goes with the process, too.
pub type Lock = Box<dyn Held>;

/// The roots. Each is known by slot and generation.
pub trait Registry: Debug {
    /// Waits for the lock that changes of names and slots take.
    fn lock(&self) -> Result<Lock, KeepError>;

    /// The record of any slot, also a free one.
    fn slot(&self, slot: u32) -> Option<RootRecord>;
    /// The record of a slot that is in use.
    fn root(&self, slot: u32) -> Option<RootRecord> {
        self.slot(slot).filter(|r| slot != 0 && r.state != R_FREE)
    }
    /// Every root in use.
    fn roots(&self) -> Vec<(u32, RootRecord)>;
    /// Every root in use, and the one that it is inside of (slot 0: none).
    fn outers(&self) -> Vec<(Slot, Slot)> {
        let of = |(slot, r): (u32, RootRecord)| {
            let outer = Slot { slot: r.parent, generation: r.parent_generation };
            (Slot { slot, generation: r.generation }, outer)
        };
        self.roots().into_iter().map(of).collect()
    }
    /// The first free slot where nothing is left of whoever had it before.
    fn free_slot(&self) -> Option<Slot>;
    /// Makes a free slot, or one whose count is 0, a new root in state STARTING; `old` is its present generation.
    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot>;
    /// STARTING → LIVE.
    fn go_live(&self, s: Slot) -> io::Result<()>;
    /// Changes a root's name.
    fn rename(&self, s: Slot, name: &str) -> io::Result<()>;
    /// Makes a member the main process; 0 clears it. ENOENT: no member.
    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()>;
    /// Notes the last signal and the user that asked for it, for `status`.
    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()>;
    /// Keeps a root's stop command: user, working directory and command, each with a NUL. It goes with the root.
    fn set_stop_command(&self, s: Slot, text: &[u8]) -> io::Result<()>;
    /// The stop command of a root.
    fn stop_command(&self, s: Slot) -> io::Result<Option<Vec<u8>>>;
}
