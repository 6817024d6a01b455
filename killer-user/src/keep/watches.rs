//! Watching: what members do, as it happens.

use std::fmt::Debug;
use std::os::fd::AsFd;

use killer_common::watch::{Event, Exec, Glob};

use super::KeepError;

/// What somebody wants to see. The kernel leaves out the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `FORK` and its like.
    pub kinds: u32,
    /// Of processes of this user only.
    pub uid: Option<u32>,
    /// Of processes only whose program's path matches.
    pub exe: Option<Box<Glob>>,
    /// Of these services only, with those inside them; empty: of all.
    pub names: Vec<String>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A fork, an end, a signal.
    Event(Event),
    /// An exec.
    Exec(Box<Exec>),
}

impl Seen {
    /// What all have.
    pub fn event(&self) -> &Event {
        match self {
            Self::Event(e) => e,
            Self::Exec(e) => &e.event,
        }
    }
}

/// What one watcher sees. Nothing is written any more when it is dropped, or its process ends.
pub trait Watching: AsFd + Debug {
    /// The next event, when one is there. The descriptor is readable when there is one.
    fn next(&mut self) -> Option<Seen>;
    /// Events that had no place, ever.
    fn lost(&self) -> u64;
    /// Runs of the programs that the kernel has skipped (5.12+).
    fn skipped(&self) -> u64;
}

/// What can watch.
pub trait Watches {
    /// Begins.
    ///
    /// # Errors
    /// The programs cannot be loaded or attached.
    fn watch(&self, wanted: &Wanted) -> Result<Box<dyn Watching>, KeepError>;
}
