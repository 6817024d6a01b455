//! What every tier can, and which of the capabilities the programs have: all but files.

use std::io;

use killer_common::record::{B_HOLD, Birth};
use killer_common::{ctl, gate, reason};

use super::Programs;
use super::open::tier_of;
use crate::keep::{
    Broadcasts, Freezer, Gate, Hooks, Keep, Past, Promises, Records, Rules, Sets, Slot, States, Sweeps,
    Watches,
};
use crate::kernel::tier::Tier;
use crate::sys::clock;

impl Keep for Programs {
    fn tier(&self) -> Tier {
        tier_of(self.features)
    }

    fn leave(&self) -> io::Result<bool> {
        self.ctl(ctl::LEAVE, Slot { slot: 0, generation: 0 }, &[]).map(|n| n == 1)
    }

    fn descent_is_for_life(&self) -> bool {
        false
    }

    fn close_gate(&self, s: Slot, kind: u64, until: u64) {
        if self.cannot_miss() && !self.witness_acts() {
            // Attached, and silent: the fork hooks register, and their gate is used.
            let _ = self.reason(s, reason::WITNESS);
        }
        let _ = self.set_gate(s.slot, |old| gate::extended(old, kind, until, clock::monotonic_ns()));
    }

    fn open_gate(&self, s: Slot, kind: u64, until: u64) {
        let word = gate::word(kind, until);
        let _ = self.set_gate(s.slot, |old| (old == word).then_some(gate::OPEN));
    }

    fn cancel_marks(&self, s: Slot) -> usize {
        let marks = self.marks(s.slot).unwrap_or_default();
        let its = |mark: &Birth| mark.generation == s.generation && mark.flags & B_HOLD == 0;
        let pending = marks.iter().filter(|(_, mark)| its(mark));
        pending.filter(|(task, _)| self.cancel_seed(s, *task).unwrap_or(false)).count()
    }

    fn gate(&self) -> Option<&dyn Gate> {
        Some(self)
    }

    fn sweeps(&self) -> Option<&dyn Sweeps> {
        self.has_sweep().then_some(self)
    }

    /// Its signals are as those of the sweep: who asks for pidfds has none.
    fn promises(&self) -> Option<&dyn Promises> {
        self.has_sweep().then_some(self)
    }

    fn broadcasts(&self) -> Option<&dyn Broadcasts> {
        Some(self)
    }

    /// A start is the leader's own only where the programs read it.
    fn states(&self) -> Option<&dyn States> {
        (self.tier().by_btf() && self.tells_states()).then_some(self)
    }

    fn freezer(&self) -> Option<&dyn Freezer> {
        Some(self)
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }

    fn watches(&self) -> Option<&dyn Watches> {
        self.tier().by_btf().then_some(self)
    }

    fn records(&self) -> Option<&dyn Records> {
        self.tier().by_btf().then_some(self)
    }

    fn past(&self) -> Option<&dyn Past> {
        Some(self)
    }

    fn rules(&self) -> Option<&dyn Rules> {
        self.tier().by_btf().then_some(self)
    }
}
