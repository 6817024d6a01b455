//! The state of the broadcast of one lineage.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use crate::keep::{Held, Lock};

/// How long newborns are decided at birth: beyond the command's life, for forks that were in flight.
pub(super) const HOLDS: Duration = Duration::from_secs(2);

/// A broadcast, begun or not.
#[derive(Debug, Default)]
pub struct Cast {
    /// Names it; 0 before the first one.
    pub(super) epoch: u64,
    pub(super) signal: i32,
    /// It had processes with threads when it began.
    pub(super) threads: bool,
    /// Index entries ever written for the family's processes when it began.
    pub(super) indexed: u64,
    /// What settles claims, or what stamps calls, is not attached.
    pub(super) deaf: bool,
    /// Newborns that are behind are left to the sweeper.
    pub(super) later: Cell<bool>,
    /// Where nothing is decided at birth: when each process was sent it, CLOCK_BOOTTIME ns.
    pub(super) sent: RefCell<HashMap<u32, u64>>,
    /// One broadcast at a time.
    pub(super) lock: Option<Lock>,
    /// Entries of system calls are stamped while this is held.
    pub(super) stamps: Option<Box<dyn Held>>,
    /// What [`crate::keep::Broadcasts::unstamped`] said when that began; `None`: it said nothing.
    pub(super) unstamped: Option<u64>,
}
