//! The gate: a word in shared memory, and programs at system calls.

use std::io;
use std::sync::atomic::{Ordering, fence};

use killer_common::gate;

use super::Programs;
use crate::bpf::canary;
use crate::bpf::syscall_gate::SyscallGate;
use crate::keep::{Closes, Gate};
use crate::sys::clock;

impl Gate for Programs {
    fn is_closed(&self, slot: u32) -> bool {
        gate::kind_at(self.gate_word(slot), clock::monotonic_ns()) != gate::OPEN
    }

    /// A refuses forks, D kills newborns before their first instruction.
    fn at_birth(&self) -> Option<&'static str> {
        if self.witness_acts() {
            return Some("A");
        }
        self.gate_at_birth().then_some("D")
    }

    fn at_syscalls(&self) -> io::Result<Closes> {
        let close = SyscallGate::prepare(self)?;
        Ok(Box::new(move || Ok(Box::new(close()?))))
    }

    fn acts_at_syscalls(&self) -> bool {
        canary::doomed(self)
    }

    fn hold(&self, slot: u32, until: u64) {
        let _ = self.hold_slot(slot, until);
    }

    fn let_go(&self) {
        self.let_slots_go();
    }

    fn is_at_rest(&self, slot: u32) -> bool {
        // The new record is written by a program in this thread, the hold by another processor.
        fence(Ordering::SeqCst);
        let Some(line) = self.control.get(slot as usize) else { return false };
        let now = clock::monotonic_ns();
        [gate::deadline(line.gate), line.until, line.hold].into_iter().all(|until| until <= now)
    }
}
