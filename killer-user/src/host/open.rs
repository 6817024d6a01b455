//! The one way in: what keeps the sets, opened and put right, for every verb that asks or changes anything.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use super::failure::Failure;
use super::{exact, thaw, unseen};
use crate::keep::KeepError;
use crate::tier::{Paths, Tracker};

/// What keeps the sets, when what others have left is accounted for: skipped hooks count against every live service, and
/// a process that a `killer` has left stopped, because it died in the middle, goes on.
#[derive(Debug)]
pub struct Host(Tracker);

impl Deref for Host {
    type Target = Tracker;

    fn deref(&self) -> &Tracker {
        &self.0
    }
}

impl Host {
    /// What is there; `None` when nothing is loaded, so that nothing is tracked.
    pub fn open() -> Result<Option<Self>, Failure> {
        match Tracker::open(&Paths::default()) {
            Ok(t) => Self::of(t).map(Some),
            Err(KeepError::NotLoaded) => unseen::lost().map(|()| None),
            Err(e) => Err(e.into()),
        }
    }

    /// For something new: it is made when it is not there.
    pub fn up() -> Result<Self, Failure> {
        unseen::lost()?;
        Self::of(Tracker::up(&Paths::default())?)
    }

    /// The same, but only what other callers can use, too; with a cross-check where that is asked for (`and`).
    pub fn load(and: impl FnOnce(&mut Tracker) -> Result<(), Failure>) -> Result<Self, Failure> {
        unseen::lost()?;
        let mut t = Tracker::load(&Paths::default())?;
        and(&mut t)?;
        Self::of(t)
    }

    /// One that was opened by itself.
    pub fn of(t: Tracker) -> Result<Self, Failure> {
        put_right(&t)?;
        Ok(Self(t))
    }
}

/// For a command that ends with its process. What it has mapped and opened goes with that, which is cheaper than piece by piece; the
/// slots that it holds are let go, and the hook that it needed.
#[derive(Debug)]
pub struct Brief(ManuallyDrop<Host>);

impl Brief {
    /// It is as good as dropped at the end.
    pub fn of(host: Host) -> Self {
        Self(ManuallyDrop::new(host))
    }
}

impl Deref for Brief {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Some(gate) = self.gate() {
            gate.let_go();
        }
        if let Some(b) = self.broadcasts() {
            b.hear_no_more();
        }
    }
}

/// Accounts for what was noticed since the last call, and lets every process go that no other call would.
pub fn put_right(t: &Tracker) -> Result<(), Failure> {
    exact::account(t)?;
    thaw::settle(t)
}
