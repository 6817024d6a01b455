//! The record of a root in a registry of files.

use std::collections::BTreeMap;

use killer_common::record::{B_ADOPTED, B_CONTROL, B_MAIN, B_STOPPED, RootRecord};
use killer_common::{NAME_LEN, reason};
use serde::{Deserialize, Serialize};

use crate::tier::seen::{self, Id};

/// The record of a root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFile {
    /// Counts the uses of the slot.
    pub generation: u32,
    /// `R_*` state.
    pub state: u32,
    /// Outer root: slot and generation, 0 = none.
    pub parent: (u32, u32),
    /// Nesting depth.
    pub depth: u32,
    /// Main process, 0 = none.
    pub main: Id,
    /// The process that `run` started as the main one, whatever is the main one now.
    pub first: Id,
    /// When it was made, CLOCK_BOOTTIME ns.
    pub born: u64,
    /// The `killer` that made it.
    pub owner: Id,
    /// Service name.
    pub name: String,
    /// `R_SUPERVISED`.
    pub flags: u64,
    /// Last signal: number, time, sender, exit code.
    pub last: (u32, u64, u32, u32),
    /// Reasons by code: how often, and first when.
    pub reasons: BTreeMap<String, (u64, u64)>,
    /// Processes that were ever in it, as far as they were seen.
    pub ever: u64,
    /// Its stop command, as it was given.
    pub stop: Vec<u8>,
    /// Control processes.
    pub control: Vec<Id>,
    /// How it is frozen: `R_FREEZING`, `R_FROZEN`, `R_THAWING`, `R_UNDONE`, 0; by which `killer`; since when, CLOCK_BOOTTIME ns.
    pub freeze: (u64, Id, u64),
    /// Members that were stopped before.
    pub stopped: Vec<Id>,
    /// Directory of its own, below the hierarchy (tier `named`).
    pub place: String,
    /// Processes that keep watch over it (tier `scan`).
    pub watchers: Vec<Id>,
    /// Processes that look at what was adopted (tier `scan`).
    pub adopters: Vec<Id>,
}

impl RootFile {
    /// As the programs' registry would have it.
    pub fn record(&self) -> RootRecord {
        let mut name = [0; NAME_LEN];
        for (to, from) in name.iter_mut().zip(self.name.bytes()) {
            *to = from;
        }
        RootRecord {
            generation: self.generation,
            state: self.state,
            parent: self.parent.0,
            depth: self.depth,
            main_tgid: self.main.pid,
            parent_generation: self.parent.1,
            main_start: seen::start_ns(self.main.start),
            born: self.born,
            owner_tgid: self.owner.pid,
            last_signal: self.last.0,
            owner_start: seen::start_ns(self.owner.start),
            last_at: self.last.1,
            last_uid: self.last.2,
            last_outcome: self.last.3,
            name,
            flags: self.flags | self.freeze.0,
            freezer_start: seen::start_ns(self.freeze.1.start),
            freezer_tgid: self.freeze.1.pid,
            wakes: 0,
            hangups: 0,
            skipped: 0,
            frozen_at: self.freeze.2,
            ancestors: 0,
            opener_start: 0,
            opener_tgid: 0,
            from: 0,
            from_generation: 0,
            command_len: 0,
            command: [0; killer_common::rule::COMMAND_LEN],
            stayed: 0,
        }
    }

    /// `B_*` flags of a member: whether it was launched, or there when an adoption took it in.
    pub fn flags(&self, id: Id) -> u32 {
        let main = if self.first == id { B_MAIN } else { 0 };
        let control = if self.control.contains(&id) { B_CONTROL } else { 0 };
        let adopted = match self.reasons.get(code(reason::ADOPTED)) {
            Some((_, first)) if seen::start_ns(id.start) <= *first => B_ADOPTED,
            _ => 0,
        };
        let stopped = if self.stopped.contains(&id) { B_STOPPED } else { 0 };
        main | control | adopted | stopped
    }

    /// True while the `killer` that made it is alive.
    pub fn owner_lives(&self) -> bool {
        self.owner.lives()
    }
}

/// The short code of a reason.
pub fn code(reason: u32) -> &'static str {
    reason::ALL.iter().find(|r| r.0 == reason).map_or("unknown", |r| r.1)
}
