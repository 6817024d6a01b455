//! Closing the gate of a lineage.

use std::io;

use killer_common::POOL_FIRST;

use super::family::Gated;
use super::set::Lineage;

impl Gated for Lineage<'_> {
    fn close_gate(&self, kind: u64, until: u64) {
        for s in self.now().instances() {
            // First of all a slot of the pool is held: an instance that has ended gives it back, and behind a gate that is another
            // service's by now an innocent newborn would die.
            if s.slot >= POOL_FIRST
                && let Some(rules) = self.tracker.rules()
            {
                rules.hold(s.slot, until);
            }
            if self.is_current(s) {
                self.tracker.close_gate(s.slot, kind, until);
            }
            // It may have been forgotten, and its slot given away, between the look and the change.
            if !self.is_current(s) {
                self.tracker.open_gate(s.slot, kind, until);
            }
        }
    }

    fn open_gate(&self, kind: u64, until: u64) {
        self.now().instances().for_each(|s| self.tracker.open_gate(s.slot, kind, until));
    }

    fn gate_at_birth(&self) -> bool {
        self.tracker.gate().is_some_and(|g| g.at_birth().is_some())
    }

    fn gate_at_syscalls(&mut self) -> io::Result<bool> {
        self.syscalls.step(self.tracker.gate().ok_or(io::ErrorKind::Unsupported)?)
    }

    fn cancel_marks(&self) -> usize {
        self.slots().into_iter().map(|s| self.tracker.cancel_marks(s)).sum()
    }
}
