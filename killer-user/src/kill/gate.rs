//! The gate of a family that is being killed: a lease that is renewed each pass and runs out by itself.

use std::time::Duration;

use crate::lineage::Family;

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
    until: u64,
    /// What is closed.
    pub gates: Gates,
}

impl Lease {
    /// Closes the gate of the family.
    pub fn close<F: Family>(family: &F) -> Self {
        let mut l = Self { until: 0, gates: Gates { birth: family.gate_at_birth(), syscalls: false } };
        l.renew(family);
        l
    }

    /// Holds it closed for another [`LEASE`].
    pub fn renew<F: Family>(&mut self, family: &F) {
        self.until = family.monotonic() + LEASE.as_nanos() as u64;
        family.close_gate(self.until);
    }

    /// Closes the gate at system calls, where newborns cannot be killed at birth.
    pub fn at_syscalls<F: Family>(&mut self, family: &mut F) {
        if !self.gates.birth && !self.gates.syscalls {
            self.gates.syscalls = family.gate_at_syscalls().is_ok();
        }
    }

    /// Opens it, unless another sweeper holds it longer.
    pub fn open<F: Family>(&mut self, family: &F) {
        family.open_gate(self.until);
    }
}
