//! Sets that hooks keep: what the hooks may have missed, and the repair.

use std::io;

use super::{Held, KeepError};

/// What could make every root doubtful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Hooks whose link pins are gone.
    pub missing_links: Vec<&'static str>,
    /// Runs of the hooks that the kernel skipped, ever (5.12+).
    pub misses: u64,
    /// How many of them have been accounted for.
    pub misses_noted: u64,
    /// The hooks are of a kind that loses events on this kernel without a trace.
    pub classic: bool,
    /// pid_max or threads-max was raised beyond the maps' sizes.
    pub limits_raised: bool,
}

/// Births and ends that hooks have missed, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapses {
    /// Runs of hooks that the kernel has skipped.
    pub skipped: u64,
    /// Processes that walks have found in no list.
    pub found: u64,
}

/// Runs of one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs {
    /// The hook.
    pub name: &'static str,
    /// How many, while the kernel's statistics were on.
    pub runs: u64,
    /// How long they took, ns.
    pub ns: u64,
    /// Runs that the kernel has skipped (5.12+).
    pub skipped: u64,
}

/// Hooks on forks and exits.
pub trait Hooks {
    /// Whatever could make every root doubtful.
    fn health(&self) -> Health;
    /// Of that, the hooks whose link pins are gone.
    fn missing_links(&self) -> Vec<&'static str>;
    /// True when they are attached nowhere until somebody is to be tracked.
    fn rest(&self) -> bool;
    /// Detaches them, when nobody is tracked and no exec may open a service; whether they are detached. The registry is locked.
    fn detach(&self) -> io::Result<bool>;
    /// Attaches them when they rest: before somebody is tracked. The registry is locked.
    fn attach(&self) -> Result<(), KeepError>;
    /// What was missed; `None` where no run can be skipped.
    fn lapses(&self) -> Option<Lapses>;
    /// Figures of each.
    fn runs(&self) -> Vec<Runs>;
    /// Notes how many skipped hook runs have been accounted for.
    fn note_misses(&self, total: u64) -> io::Result<()>;
    /// Compares the sets with every task of the host and repairs them.
    fn repair(&self) -> io::Result<()>;
    /// Shows the log of the programs while the answer is held.
    fn relay(&self) -> Option<Box<dyn Held + '_>>;
}
