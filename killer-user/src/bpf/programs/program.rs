//! The programs by name: kept open, or, where the process may have few descriptors, opened for once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::Programs;
use crate::bpf::modern::{self, LATER};
use crate::bpf::{load, pins};
use crate::keep::{Keep, KeepError, What};
use crate::kernel::tier::Tier;
use crate::sys::bpf;

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
        match self.programs.iter().find(|p| p.0 == name) {
            None if LATER.contains(&name) => self.opened(name),
            None => Err(io::ErrorKind::NotFound.into()),
            Some((_, Some(fd))) => Ok(Program::Kept(fd.as_fd())),
            Some((_, None)) => self.opened(name),
        }
    }

    /// Whether this tracker has it.
    pub(in crate::bpf) fn has_program(&self, name: &str) -> bool {
        self.programs.iter().any(|p| p.0 == name)
    }

    fn opened(&self, name: &str) -> io::Result<Program<'_>> {
        let pin = self.program_pin(name);
        let opened = pins::in_host_mounts(&self.paths, || bpf::obj_get(&pin).what("opening a program"));
        self.heed(opened.map(Program::Opened).map_err(io::Error::other))
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
