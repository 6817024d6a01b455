//! Freezing: a word that the hooks on forks and signals read.

use std::io;

use killer_common::ctl;
use killer_common::names::P_SIGNAL;
use killer_common::record::{R_FREEZING, R_FROZEN};

use super::Programs;
use crate::keep::{Freezer, Slot};
use crate::sys::bpf;

/// A member that is woken is stopped again.
pub(super) const HELD: u64 = R_FREEZING | R_FROZEN;

impl Freezer for Programs {
    /// What [`Freezer::unheard`] says now is kept when a freeze begins.
    fn freeze(&self, s: Slot, to: u64) -> io::Result<u64> {
        match to & HELD {
            0 => self.mark_hearing(),
            _ => self.attach_hearing()?,
        }
        let unheard = self.unheard()?.unwrap_or(0);
        self.ctl(ctl::FREEZE, s, &[to, u64::from(unheard)]).map(u64::from)
    }

    fn note_stopped(&self, s: Slot, tgid: u32, on: bool) -> io::Result<()> {
        self.ctl(ctl::NOTE_STOPPED, s, &[u64::from(tgid), u64::from(on)]).map(drop)
    }

    fn unheard(&self) -> io::Result<Option<u32>> {
        let Ok(hook) = self.program(P_SIGNAL) else { return Ok(None) };
        self.heed(bpf::prog_info(hook)).map(|i| Some(i.recursion_misses() as u32))
    }
}
