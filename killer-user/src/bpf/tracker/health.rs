//! What could make every root doubtful, asked anew at each call.

use std::io;
use std::sync::atomic::Ordering;

use killer_common::names::*;

use super::Tracker;
use crate::bpf::maps::Limits;
use crate::bpf::{attach, pins, sign};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::bpf;

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

impl Tracker {
    /// Hooks that nobody holds any more, asked anew: pins and keepers can go at any moment.
    fn missing_links(&self) -> Vec<&'static str> {
        let v = self.paths.version();
        let hooks = || attach::hooks(self.tier(), self.program(P_ORPHANS).is_ok());
        let there = |name: &&str| self.heed(v.join("links").join(name).try_exists()).unwrap_or(true);
        let gone = || match sign::alive(&v) {
            Some(true) => Vec::new(),
            Some(false) => hooks().iter().map(|h| h.0).collect(),
            None => hooks().iter().map(|h| h.0).filter(|n| !there(n)).collect(),
        };
        // Another mount namespace's bpffs is another one; the answer is the host's.
        let gone = pins::in_host_mounts(&self.paths, || Ok(gone())).map_err(io::Error::other);
        self.heed(gone).unwrap_or_default()
    }

    /// Passes a result on and remembers that it was a failure.
    pub(super) fn heed<T>(&self, r: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &r {
            let errno = e.raw_os_error().unwrap_or(libc::EIO);
            let _ = self.trouble.compare_exchange(0, errno, Ordering::Relaxed, Ordering::Relaxed);
        }
        r
    }

    /// An error when any look-up since the opening has failed: what was found may lack something.
    pub fn sound(&self) -> io::Result<()> {
        match self.trouble.load(Ordering::Relaxed) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// Runs of the hooks that keep the sets which the kernel has skipped, ever (5.12+).
    pub fn skipped(&self) -> u64 {
        let hooks = [P_EXIT, P_EXEC, P_NEWTASK, P_FORK, P_FORK2, P_ORPHANS];
        let runs = hooks.iter().filter_map(|h| self.program(h).and_then(bpf::prog_info).ok());
        runs.map(|i| i.recursion_misses()).sum()
    }

    /// Runs of the hook on signals that the kernel has skipped, ever, modulo 2^32; `None` where there is no such hook.
    pub fn unheard(&self) -> io::Result<Option<u32>> {
        let Ok(hook) = self.program(P_SIGNAL) else { return Ok(None) };
        self.heed(bpf::prog_info(hook)).map(|i| Some(i.recursion_misses() as u32))
    }

    /// Whatever could make every root doubtful.
    pub fn health(&self) -> Health {
        let misses = self.skipped();
        // What cannot be read has not been raised, nor not raised.
        let limits =
            self.heed(Limits::known().ok_or_else(|| io::Error::other("kernel.pid_max cannot be read")));
        let raised = |l: Limits| l.tasks() > self.tasks || l.tgids() as usize > self.index.len();
        Health {
            missing_links: self.missing_links(),
            misses,
            misses_noted: self.global().misses_noted,
            classic: self.tier() == Tier::Legacy && probe::classic_can_lose(),
            limits_raised: limits.is_ok_and(raised),
        }
    }
}
