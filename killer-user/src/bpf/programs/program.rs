//! The programs by name: kept open, or, where the process may have few descriptors, opened for once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use killer_common::names::{P_CLEAR, P_REAP, P_SIGNAL};

use super::Programs;
use super::open::Pinned;
use super::pin::Pin;
use crate::bpf::modern::{self, LATER};
use crate::bpf::{load, pins};
use crate::keep::{Keep, KeepError, What};
use crate::kernel::tier::Tier;

/// Programs that are needed once at most: closed again.
const ONCE: [&str; 3] = [P_CLEAR, P_REAP, P_SIGNAL];

/// A program of the tracker.
pub(in crate::bpf) enum Program<'a> {
    /// That is kept open.
    Kept(BorrowedFd<'a>),
    /// That was opened for this once.
    Opened(OwnedFd),
}

impl AsFd for Program<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Kept(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

impl Programs {
    /// A program; NotFound: this tier has none of that name.
    pub(in crate::bpf) fn program(&self, name: &str) -> io::Result<Program<'_>> {
        let Some(pin) = self.programs.iter().find(|p| p.name == name) else {
            return match LATER.contains(&name) {
                true => self.opened(name).map(Program::Opened),
                false => Err(io::ErrorKind::NotFound.into()),
            };
        };
        if let Some(fd) = pin.fd.get() {
            return Ok(Program::Kept(fd.as_fd()));
        }
        if !self.is_there(pin)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let fd = self.opened(name)?;
        match self.few || ONCE.contains(&name) {
            true => Ok(Program::Opened(fd)),
            false => Ok(Program::Kept(pin.fd.get_or_init(|| fd).as_fd())),
        }
    }

    /// Whether this tracker has it.
    pub(in crate::bpf) fn has_program(&self, name: &str) -> bool {
        let pin = self.programs.iter().find(|p| p.name == name);
        pin.is_some_and(|p| p.fd.get().is_some() || self.is_there(p).unwrap_or(false))
    }

    fn is_there(&self, pin: &Pin) -> io::Result<bool> {
        if let Some(there) = pin.there.get() {
            return Ok(*there);
        }
        let at = self.program_pin(pin.name);
        let there = pins::in_host_mounts(&self.paths, || at.try_exists().what("looking for a program"));
        let there = self.heed(there.map_err(io::Error::other))?;
        Ok(*pin.there.get_or_init(|| there))
    }

    fn opened(&self, name: &str) -> io::Result<OwnedFd> {
        self.in_opened(|v| Pinned(v).get("progs", name))
    }

    fn program_pin(&self, name: &str) -> PathBuf {
        self.paths.version().join("progs").join(name)
    }

    /// Loads those of these programs that are not there yet ([`LATER`]). Two processes may do it at once.
    pub(in crate::bpf) fn ensure(&self, names: &[&str]) -> Result<(), KeepError> {
        pins::in_host_mounts(&self.paths, || {
            let lacking: Vec<&str> =
                names.iter().copied().filter(|n| !self.program_pin(n).exists()).collect();
            if lacking.is_empty() {
                return Ok(());
            }
            modern::load_later(
                &self.paths.version(),
                &load::layout()?,
                self.tier() == Tier::Witnessed,
                &lacking,
            )
        })
    }

    /// The one that is run on demand.
    pub(in crate::bpf) fn ctl_program(&self) -> io::Result<Program<'_>> {
        self.program(self.asking.program())
    }
}
