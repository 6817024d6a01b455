//! The pins of programs: each is opened when it is needed.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

/// The pin of a program, which is opened when it is needed.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) name: &'static str,
    /// Open, and kept so.
    pub(super) fd: OnceLock<OwnedFd>,
    /// Whether it is there; asked when it is needed.
    pub(super) there: OnceLock<bool>,
}

impl Pin {
    /// One that is open.
    pub(super) fn open(name: &'static str, fd: OwnedFd) -> Self {
        Self { fd: fd.into(), ..Self::closed(name) }
    }

    /// One that has to be there.
    pub(super) fn closed(name: &'static str) -> Self {
        Self { there: true.into(), ..Self::perhaps(name) }
    }

    /// One that may be there.
    pub(super) fn perhaps(name: &'static str) -> Self {
        Self { name, fd: OnceLock::new(), there: OnceLock::new() }
    }
}
