//! Typed calls of the on-demand program. Each is one step in this task's own context: a `killer` that is killed
//! has made the whole change or none of it.

use std::io;

use killer_common::{NAME_LEN, ctl};

use super::programs::Programs;
use crate::keep::{Candidate, Keep, Slot};
use crate::sys::alive::Identity;

/// What an adoption starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The root that is filled.
    pub into: Slot,
    /// End of the lease, `CLOCK_MONOTONIC` ns.
    pub until: u64,
    /// The process that it starts from.
    pub from: Candidate,
    /// The root whose members it moves, too.
    pub out_of: Option<Slot>,
}

/// A name as arguments of the on-demand program.
pub(crate) fn name_words(name: &str) -> [u64; NAME_LEN / 8] {
    let mut w = [0; NAME_LEN / 8];
    for (i, b) in name.bytes().take(NAME_LEN).enumerate() {
        w[i / 8] |= u64::from(b) << (8 * (i % 8));
    }
    w
}

impl Programs {
    /// One request.
    pub(super) fn ctl(&self, op: u64, s: Slot, rest: &[u64]) -> io::Result<u32> {
        let mut a = [0u64; ctl::ARGS];
        a[0] = op;
        a[1] = u64::from(s.slot);
        a[2] = u64::from(s.generation);
        a[3..3 + rest.len()].copy_from_slice(rest);
        let r = self.asking.ask(self.ctl_program()?, Some(self.tier()), &a)?;
        if r < 0 { Err(io::Error::from_raw_os_error(-r)) } else { Ok(r as u32) }
    }

    /// Marks this task: its next fork becomes a member. EPERM: the root is gated.
    pub fn seed(&self, s: Slot, flags: u32) -> io::Result<()> {
        self.ctl(ctl::SEED, s, &[u64::from(flags)]).map(drop)
    }

    /// Takes this task's mark or hold back; true when it was still there.
    pub fn unseed(&self) -> io::Result<bool> {
        self.ctl(ctl::UNSEED, Slot { slot: 0, generation: 0 }, &[]).map(|n| n == 1)
    }

    /// Takes a launcher's mark away: its fork will not be a member, and it then gives up.
    pub fn cancel_seed(&self, s: Slot, task: u64) -> io::Result<bool> {
        self.ctl(ctl::CANCEL_SEED, s, &[task]).map(|n| n == 1)
    }

    /// Counts 1 for this task until [`Self::unseed`] or its death.
    pub fn hold(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::HOLD, s, &[]).map(drop)
    }

    /// Enters, renews or (`None`) leaves adopt mode.
    pub fn adopt_mode(&self, a: Option<Adoption>) -> io::Result<()> {
        match a {
            Some(Adoption { into, until, from, out_of }) => {
                let out_of = out_of.unwrap_or(Slot { slot: 0, generation: 0 });
                let out_of = [out_of.slot, out_of.generation].map(u64::from);
                let rest = [until, u64::from(from.pid), from.start_ticks, from.inode, out_of[0], out_of[1]];
                self.ctl(ctl::ADOPT_MODE, into, &rest).map(drop)
            }
            None => self.ctl(ctl::ADOPT_MODE, Slot { slot: 0, generation: 0 }, &[0]).map(drop),
        }
    }

    /// Claims the entry of a process that is gone.
    pub(super) fn claim_dead(&self, addr: u64, b: &killer_common::record::Member) -> io::Result<bool> {
        let a = [addr, u64::from(b.tgid), b.leader_start];
        self.ctl(ctl::CLAIM_DEAD, Slot { slot: 0, generation: 0 }, &a).map(|n| n == 1)
    }

    /// An ancestor without living descendants goes to the dead that may be forgotten; true when it was there.
    pub(super) fn let_go(&self, dead: Identity) -> io::Result<bool> {
        self.ctl(ctl::LET_GO, Slot { slot: 0, generation: 0 }, &[u64::from(dead.pid), dead.start])
            .map(|n| n == 1)
    }

    /// Begins a walk; answers its number.
    pub(super) fn walk_begin(&self) -> io::Result<u32> {
        self.ctl(ctl::WALK_BEGIN, Slot { slot: 0, generation: 0 }, &[])
    }

    /// Lets the programs write to their log until then, `CLOCK_MONOTONIC` ns.
    pub fn log_until(&self, until: u64) -> io::Result<()> {
        self.ctl(ctl::LOG, Slot { slot: 0, generation: 0 }, &[until]).map(drop)
    }
}
