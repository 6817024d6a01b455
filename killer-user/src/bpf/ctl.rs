//! Typed calls of the on-demand program. Each is one step in this task's own context: a `killer` that is killed
//! has made the whole change or none of it.

use std::io;

use killer_common::{NAME_LEN, ctl};

use super::slot::Slot;
use super::tracker::Tracker;
use crate::sys::bpf;

/// What an adoption starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The root that is filled.
    pub into: Slot,
    /// End of the lease, `CLOCK_MONOTONIC` ns.
    pub until: u64,
    /// Process that it starts from: tgid, start in clock ticks, pidfs inode (0: none).
    pub from: (u32, u64, u64),
}

/// A name as arguments of the on-demand program.
pub(crate) fn name_words(name: &str) -> [u64; NAME_LEN / 8] {
    let mut w = [0; NAME_LEN / 8];
    for (i, b) in name.bytes().take(NAME_LEN).enumerate() {
        w[i / 8] |= u64::from(b) << (8 * (i % 8));
    }
    w
}

impl Tracker {
    fn ctl(&self, op: u64, s: Slot, rest: &[u64]) -> io::Result<u32> {
        let mut a = [0u64; ctl::ARGS];
        a[0] = op;
        a[1] = u64::from(s.slot);
        a[2] = u64::from(s.generation);
        a[3..3 + rest.len()].copy_from_slice(rest);
        let r = bpf::prog_run(self.ctl_program()?, &a)?;
        if r < 0 { Err(io::Error::from_raw_os_error(-r)) } else { Ok(r as u32) }
    }

    /// Makes a free slot a new root in state STARTING; `old` is its present generation.
    pub fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot> {
        let mut a = [0; 1 + NAME_LEN / 8];
        a[0] = u64::from(parent) | flags << 32;
        a[1..].copy_from_slice(&name_words(name));
        let generation = self.ctl(ctl::CREATE, old, &a)?;
        Ok(Slot { slot: old.slot, generation })
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

    /// Makes a member the main process; 0 clears it. ENOENT: no member.
    pub fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
        self.ctl(ctl::SET_MAIN, s, &[u64::from(tgid)]).map(drop)
    }

    /// STARTING → LIVE.
    pub fn go_live(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::GO_LIVE, s, &[]).map(drop)
    }

    /// Frees a slot whose count is 0. EBUSY: it is not.
    pub fn forget(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::FORGET, s, &[]).map(drop)
    }

    /// Changes a root's name.
    pub fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
        let mut a = [0; 1 + NAME_LEN / 8];
        a[1..].copy_from_slice(&name_words(name));
        self.ctl(ctl::RENAME, s, &a).map(drop)
    }

    /// Counts a reason against a root.
    pub fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.reason_times(s, reason, 1)
    }

    /// Counts it so often.
    pub fn reason_times(&self, s: Slot, reason: u32, times: u64) -> io::Result<()> {
        self.ctl(ctl::REASON, s, &[u64::from(reason), times]).map(drop)
    }

    /// This single-threaded process leaves the root that it is a member of; true when it was one.
    pub fn leave(&self) -> io::Result<bool> {
        self.ctl(ctl::LEAVE, Slot { slot: 0, generation: 0 }, &[]).map(|n| n == 1)
    }

    /// Slot of the root that this task is a member of.
    pub fn whose(&self) -> io::Result<Option<u32>> {
        self.ctl(ctl::WHOSE, Slot { slot: 0, generation: 0 }, &[]).map(|n| (n != 0).then_some(n))
    }

    /// Enters, renews or (`None`) leaves adopt mode.
    pub fn adopt_mode(&self, a: Option<Adoption>) -> io::Result<()> {
        match a {
            Some(a) => self
                .ctl(ctl::ADOPT_MODE, a.into, &[a.until, u64::from(a.from.0), a.from.1, a.from.2])
                .map(drop),
            None => self.ctl(ctl::ADOPT_MODE, Slot { slot: 0, generation: 0 }, &[0]).map(drop),
        }
    }

    /// Notes the last signal and who asked, for `status`.
    pub fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        self.ctl(ctl::NOTE_KILL, s, &[signal as u64, u64::from(uid), u64::from(outcome)]).map(drop)
    }

    /// Changes a root's freeze state; answers what it was. What [`Self::unheard`] says now is kept when a freeze begins.
    pub fn freeze(&self, s: Slot, to: u64) -> io::Result<u64> {
        let unheard = self.unheard()?.unwrap_or(0);
        self.ctl(ctl::FREEZE, s, &[to, u64::from(unheard)]).map(u64::from)
    }

    /// Notes whether a member was stopped before the freeze.
    pub fn note_stopped(&self, s: Slot, tgid: u32, on: bool) -> io::Result<()> {
        self.ctl(ctl::NOTE_STOPPED, s, &[u64::from(tgid), u64::from(on)]).map(drop)
    }

    /// True when newborns of a gated root die before their first instruction (gate D, 6.13+).
    pub fn gate_at_birth(&self) -> bool {
        self.features & ctl::HAS_SIGNAL_TASK != 0
    }

    /// True when members carry pidfs inodes (6.9+).
    pub fn has_inodes(&self) -> bool {
        self.features & ctl::HAS_INODES != 0
    }

    /// Claims the entry of a process that is gone.
    pub(super) fn claim_dead(&self, addr: u64, b: &killer_common::record::Birth) -> io::Result<bool> {
        let a = [addr, u64::from(b.tgid), b.leader_start];
        self.ctl(ctl::CLAIM_DEAD, Slot { slot: 0, generation: 0 }, &a).map(|n| n == 1)
    }

    /// Notes how many skipped hook runs have been accounted for.
    pub fn note_misses(&self, total: u64) -> io::Result<()> {
        self.ctl(ctl::NOTE_MISSES, Slot { slot: 0, generation: 0 }, &[total]).map(drop)
    }

    /// An ancestor without living descendants goes to the dead that may be forgotten; true when it was there.
    pub(super) fn let_go(&self, tgid: u32, start: u64) -> io::Result<bool> {
        self.ctl(ctl::LET_GO, Slot { slot: 0, generation: 0 }, &[u64::from(tgid), start]).map(|n| n == 1)
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
