//! The gate: a word in shared memory, and programs at system calls.

use std::io;

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
}
