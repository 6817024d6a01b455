//! The port: what every tier can do that keeps sets, and what only some can. The tiers implement it (`bpf/`, `tier/`), and
//! nobody above them knows which one it is.
//!
//! [`Keep`] is what they all can. What a tier may lack is a trait of its own, which it has or has not: [`Gate`],
//! [`Sweeps`], [`States`], [`Promises`], [`Broadcasts`], [`Freezer`], [`Hooks`], [`Watches`], [`Records`], [`Past`], [`Rules`], [`InFiles`]. [`Changes`] is what puts processes into sets: apart, so
//! that a caller with only a [`Keep`] cannot do it past the cross-check.

mod broadcasts;
mod changes;
mod error;
mod freezer;
mod gate;
mod hooks;
mod in_files;
mod past;
mod promises;
mod records;
mod registry;
mod rules;
mod sets;
mod slot;
mod states;
mod sweeps;
mod watches;

use std::fmt::Debug;
use std::io;
use std::time::{Duration, Instant};

use crate::kernel::tier::Tier;
use crate::sys::pass_on::PassOn;
use crate::sys::{child, proc};

pub use broadcasts::{Broadcast, Broadcasts};
pub use changes::{Candidate, Changes, Taken, TakenBelow};
pub use error::KeepError;
pub(crate) use error::What;
pub use freezer::Freezer;
pub use gate::{Closes, Gate};
pub use hooks::{Health, Hooks, Lapses, Runs};
pub use in_files::InFiles;
pub use past::{HowEnded, Past};
pub use promises::Promises;
pub use records::{Below, Recording, Records, Scope, candidate};
pub use registry::{Lock, Registry};
pub use rules::{Opened, Rules, Table};
pub use sets::Sets;
pub use slot::Slot;
pub use states::States;
pub use sweeps::{Fate, Sweeps};
pub use watches::{Seen, Wanted, Watches, Watching};

/// Something that holds until it is dropped: a lock, a gate, a log that is shown.
pub trait Held: Debug {}
impl<T: Debug> Held for T {}

/// A registry of roots with their sets.
///
/// Methods that change the registry are called under [`Registry::lock`].
pub trait Keep: Registry + Sets {
    /// Which tier this is, for people.
    fn tier(&self) -> Tier;

    /// This single-threaded process leaves the root that it is a member of; true when it was one.
    fn leave(&self) -> io::Result<bool>;
    /// True when a process stays a member of whatever its creator was in: nothing that a member starts can stand beside.
    fn descent_is_for_life(&self) -> bool;

    /// Keeps the newborns of a root, and of those inside it, from running until then (CLOCK_MONOTONIC ns), or goes on with it:
    /// by a gate in the kernel, or by stopping the members that fork. `kind`: `gate::KILL`, or `gate::NEWBORNS` where members that
    /// are there live on, which only a gate at birth can do.
    fn close_gate(&self, s: Slot, kind: u64, until: u64);
    /// Ends that, when it was begun with that kind and deadline; nobody opens another's.
    fn open_gate(&self, s: Slot, kind: u64, until: u64);
    /// Takes away what lets launchers' next forks join a root; answers for how many launchers.
    fn cancel_marks(&self, s: Slot) -> usize;

    /// Waits in the foreground for what this process has started and passes signals on; answers the raw wait status.
    /// `ended` is called whenever a child of this process may have ended.
    fn attend(&self, pid: i32, pass: &mut PassOn, ended: &mut dyn FnMut()) -> io::Result<i32> {
        pass.attend(pid, ended)
    }
    /// Waits so long for the end of what this process has started; answers the raw wait status, `None` when it goes on.
    fn await_end(&self, pid: i32, most: Duration) -> io::Result<Option<i32>> {
        let began = Instant::now();
        loop {
            // The child is this process's own and not yet reaped: its number is nobody else's.
            if let Some(status) = child::ended(pid)? {
                return Ok(Some(status));
            }
            let left = most.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            match proc::pidfd_open(pid as u32) {
                Ok(fd) => proc::pidfd_wait(&fd, left),
                Err(_) => std::thread::sleep(left.min(Duration::from_millis(2))),
            }
        }
    }

    /// The gate in the kernel.
    fn gate(&self) -> Option<&dyn Gate> {
        None
    }
    /// Signals in the kernel.
    fn sweeps(&self) -> Option<&dyn Sweeps> {
        None
    }
    /// States of threads, told by the kernel.
    fn states(&self) -> Option<&dyn States> {
        None
    }
    /// Promises that outlive the processes that made them.
    fn promises(&self) -> Option<&dyn Promises> {
        None
    }
    /// Decisions at birth, for signals that everybody receives exactly once.
    fn broadcasts(&self) -> Option<&dyn Broadcasts> {
        None
    }
    /// What holds newborns and forkers still.
    fn freezer(&self) -> Option<&dyn Freezer> {
        None
    }
    /// Why there is none.
    fn no_freezer(&self) -> String {
        "it has no hook in which a fork can be held".into()
    }
    /// The hooks that keep the sets.
    fn hooks(&self) -> Option<&dyn Hooks> {
        None
    }
    /// What tells what members do.
    fn watches(&self) -> Option<&dyn Watches> {
        None
    }
    /// The recorder.
    fn records(&self) -> Option<&dyn Records> {
        None
    }
    /// What is remembered of members that have ended.
    fn past(&self) -> Option<&dyn Past> {
        None
    }
    /// Rules in the kernel.
    fn rules(&self) -> Option<&dyn Rules> {
        None
    }
    /// The registry, where it is files.
    fn in_files(&self) -> Option<&dyn InFiles> {
        None
    }
}
