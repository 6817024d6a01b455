//! What the hooks may have missed, asked anew at each call; and the repair.

use std::io;
use std::sync::atomic::Ordering;

use killer_common::ctl;
use killer_common::names::*;

use super::Programs;
#[cfg(feature = "log")]
use crate::bpf::log::Relay;
use crate::bpf::maps::Limits;
use crate::bpf::{attach, pins, sign};
use crate::keep::{Health, Held, Hooks, Keep, KeepError, Lapses, Runs, Slot};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::bpf;

impl Programs {
    /// Hooks that nobody holds any more, asked anew: pins and keepers can go at any moment.
    fn gone(&self) -> Vec<&'static str> {
        let v = self.paths.version();
        let hooks = || attach::hooks(self.tier(), self.can_skip(), &|p| self.program(p).is_ok());
        let there = |name: &&str| self.heed(v.join("links").join(name).try_exists()).unwrap_or(true);
        // A pin holds its hook, whoever is alive. A keeper is there only where links cannot be pinned.
        let gone = || {
            let unpinned: Vec<_> = hooks().iter().map(|h| h.0).filter(|n| !there(n)).collect();
            self.pinned.store(unpinned.is_empty(), Ordering::Relaxed);
            match unpinned.is_empty().then_some(true).or_else(|| sign::alive(&v)) {
                Some(true) => Vec::new(),
                Some(false) => hooks().iter().map(|h| h.0).collect(),
                None => unpinned,
            }
        };
        // Another mount namespace's bpffs is another one; the answer is the host's.
        let gone = pins::in_host_mounts(&self.paths, || Ok(gone())).map_err(io::Error::other);
        self.heed(gone).unwrap_or_default()
    }

    /// Whether this kernel can skip a program.
    pub fn can_skip(&self) -> bool {
        self.features & ctl::HAS_SKIPS != 0
    }

    /// Runs of the hooks that keep the sets which the kernel has skipped, ever (5.12+). It is asked for where it should be able to skip
    /// none, too: a kernel that can although its BTF does not tell is noticed by that.
    fn skipped(&self) -> u64 {
        let hooks = [P_EXIT, P_EXEC, P_NEWTASK, P_FORK, P_FORK2, P_ORPHANS];
        let runs = hooks.iter().filter_map(|h| self.program(h).and_then(bpf::prog_info).ok());
        runs.map(|i| i.recursion_misses()).sum()
    }
}

impl Hooks for Programs {
    fn health(&self) -> Health {
        let misses = self.skipped();
        // What cannot be read has not been raised, nor not raised.
        let limits = self
            .heed(Limits::above(self.tasks).ok_or_else(|| io::Error::other("kernel.pid_max cannot be read")));
        let raised = |l: Limits| l.tasks() > self.tasks || self.note_beyond(l);
        Health {
            missing_links: self.gone(),
            misses,
            misses_noted: self.global().misses_noted,
            classic: self.tier() == Tier::Legacy && probe::classic_can_lose(),
            limits_raised: limits.is_ok_and(raised),
        }
    }

    fn missing_links(&self) -> Vec<&'static str> {
        self.gone()
    }

    fn rest(&self) -> bool {
        self.is_resting()
    }

    fn detach(&self) -> io::Result<bool> {
        self.lie_down()
    }

    fn attach(&self) -> Result<(), KeepError> {
        self.get_up()
    }

    fn lapses(&self) -> Option<Lapses> {
        let lapses = || Lapses { skipped: self.skipped(), found: self.global().walk_indexed };
        self.can_skip().then(lapses)
    }

    fn runs(&self) -> Vec<Runs> {
        let all = attach::hooks(self.tier(), self.can_skip(), &|p| self.program(p).is_ok());
        let of = |name| {
            let i = self.program(name).and_then(bpf::prog_info).ok()?;
            Some(Runs { name, runs: i.run_count(), ns: i.run_time_ns(), skipped: i.recursion_misses() })
        };
        all.into_iter().filter_map(|(name, _)| of(name)).collect()
    }

    fn note_misses(&self, total: u64) -> io::Result<()> {
        self.ctl(ctl::NOTE_MISSES, Slot { slot: 0, generation: 0 }, &[total]).map(drop)
    }

    fn repair(&self) -> io::Result<()> {
        self.mend()
    }

    #[cfg(not(feature = "log"))]
    fn relay(&self) -> Option<Box<dyn Held + '_>> {
        log::warn!("this killer was built without the log of the programs");
        None
    }

    #[cfg(feature = "log")]
    fn relay(&self) -> Option<Box<dyn Held + '_>> {
        match Relay::start(self) {
            Ok(r) => Some(Box::new(r)),
            Err(e) => {
                log::warn!("{e}");
                None
            }
        }
    }
}
