//! Closing the gate of a lineage.

use std::io;

use super::family::Gated;
use super::set::Lineage;

impl Gated for Lineage<'_> {
    fn close_gate(&self, kind: u64, until: u64) {
        for s in self.now().instances() {
            // First of all the slot is held: an instance that has ended gives it back, one that was started with 'run' leaves it to
            // the next start, and behind a gate that is another service's by now an innocent newborn would die.
            if let Some(gate) = self.tracker.gate() {
                gate.hold(s.slot, until);
            }
            if self.is_current(s) {
                self.tracker.close_gate(s, kind, until);
                // A process that was stopped for longer than it holds has closed another one's.
                if !self.is_current(s) {
                    self.tracker.open_gate(s, kind, until);
                }
            }
        }
    }

    fn open_gate(&self, kind: u64, until: u64) {
        self.now().instances().for_each(|s| self.tracker.open_gate(s, kind, until));
    }

    fn gate_at_birth(&self) -> bool {
        self.tracker.gate().is_some_and(|g| g.at_birth().is_some())
    }

    fn gate_at_syscalls(&mut self) -> io::Result<bool> {
        self.syscalls.step(self.tracker.gate().ok_or(io::ErrorKind::Unsupported)?)
    }

    fn cancel_marks(&self) -> usize {
        self.places().into_iter().map(|s| self.tracker.cancel_marks(s)).sum()
    }
}
