//! The gate of a family that is being killed: a lease that is renewed each pass and runs out by itself.

use std::time::Duration;

use killer_common::gate;

use crate::lineage::{Clock, Gated};

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(2);

/// Which gates were closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Newborns died before their first instruction.
    pub birth: bool,
    /// Members died at their system calls.
    pub syscalls: bool,
}

/// The lease of this sweeper.
#[derive(Debug)]
pub struct Lease {
    kind: u64,
    until: u64,
    wanted: bool,
    /// What is closed.
    pub gates: Gates,
}

impl Lease {
    /// Closes the gate of the family for everybody.
    pub fn close<F: Gated + Clock>(family: &F) -> Self {
        Self::of(family, gate::KILL)
    }

    /// Closes it for newborns alone: who is there goes on.
    pub fn close_for_newborns<F: Gated + Clock>(family: &F) -> Self {
        Self::of(family, gate::NEWBORNS)
    }

    fn of<F: Gated + Clock>(family: &F, kind: u64) -> Self {
        let gates = Gates { birth: family.gate_at_birth(), syscalls: false };
        let mut l = Self { kind, until: 0, wanted: false, gates };
        l.renew(family);
        l
    }

    /// Holds it closed for another [`LEASE`].
    pub fn renew<F: Gated + Clock>(&mut self, family: &F) {
        self.until = family.monotonic() + LEASE.as_nanos() as u64;
        family.close_gate(self.kind, self.until);
    }

    /// The gate at system calls is wanted, too, where newborns cannot be killed at birth.
    pub fn want_syscalls(&mut self) {
        self.wanted |= !self.gates.birth;
    }

    /// Closes it when it is wanted: a step each time, because the sweep goes on meanwhile.
    pub fn at_syscalls<F: Gated>(&mut self, family: &mut F) {
        if self.wanted && !self.gates.syscalls {
            let closed = family.gate_at_syscalls();
            // A caller that finds out that it is needed asks once more.
            self.wanted = closed.is_ok();
            self.gates.syscalls = closed.unwrap_or(false);
        }
    }

    /// Opens it, unless another sweeper holds it longer.
    pub fn open<F: Gated>(&mut self, family: &F) {
        family.open_gate(self.kind, self.until);
    }
}
