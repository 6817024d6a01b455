//! The programs behind the port ([`Keep`](crate::keep::Keep)), opened from their pins: mappings, and what can be read from
//! them. Each trait of the port has a file below.

mod broadcasts;
mod changes;
mod freezer;
mod gate;
mod hearing;
mod holds;
mod hooks;
mod open;
mod past;
mod pin;
mod pool;
mod port;
mod program;
mod registry;
mod rest;
mod sets;
mod taking;

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering};

use killer_common::ctl;
use killer_common::record::*;

use self::pin::Pin;
use super::ask::Asking;
use super::pins::Paths;
use crate::sys::bpf::Hash;
use crate::sys::map::Mapped;
use crate::sys::map::control::Word;

pub(super) use open::namespace;

/// The tracker, opened from its pins.
#[derive(Debug)]
pub struct Programs {
    paths: Paths,
    pop: Mapped<Pop>,
    roots: Mapped<RootRecord>,
    reasons: Mapped<Reasons>,
    control: Mapped<Control>,
    global: Mapped<Global>,
    index: Mapped<u16>,
    leaders: Mapped<u64>,
    births: Hash<u64, Member>,
    stops: Hash<u32, Stop>,
    // Opened when they are needed first, see `open`.
    claims: OnceLock<Mapped<u64>>,
    seeds: OnceLock<Hash<u64, Birth>>,
    dead: OnceLock<Hash<TaskKey, Member>>,
    ending: OnceLock<Mapped<Ending>>,
    ancestors_most: OnceLock<u32>,
    programs: Vec<Pin>,
    /// The process may have few descriptors: programs are opened each time.
    few: bool,
    /// The directory of pins that was opened, and its inode.
    opened: (PathBuf, u64),
    /// The links of the hooks were seen pinned: no process has to hold them.
    pinned: AtomicBool,
    tasks: u32,
    pub(super) acts: OnceLock<bool>,
    beyond: OnceLock<bool>,
    /// errno of the first look-up that failed; 0 = none.
    trouble: AtomicI32,
    pub(super) features: u32,
    /// Slots that are not used again meanwhile.
    holds: holds::Holds,
    /// What this process has to do with the hook on signals, see `hearing`.
    hears: AtomicU8,
    /// The program that tells states cannot be loaded here.
    pub(super) no_states: AtomicBool,
    /// How requests are made.
    pub(super) asking: Asking,
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.let_slots_go();
        self.detach_hearing();
    }
}

impl Programs {
    /// Where it is pinned.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Members, by their tasks.
    pub(super) fn births(&self) -> &Hash<u64, Member> {
        &self.births
    }

    /// Figures of the tracker.
    pub fn global(&self) -> Global {
        self.global.get(0).unwrap_or_default()
    }

    /// The gate word of a root.
    pub fn gate_word(&self, slot: u32) -> u64 {
        self.control.word_of(slot as usize, Word::Gate)
    }

    /// Changes the gate word of a root in one step, unless `to` says `None` to what it is.
    pub fn set_gate(&self, slot: u32, to: impl Fn(u64) -> Option<u64>) -> io::Result<()> {
        self.heed(self.control.change(slot as usize, Word::Gate, to))
    }

    /// Marks and holds on a root: (task address, mark).
    pub fn marks(&self, slot: u32) -> io::Result<Vec<(u64, Birth)>> {
        let v = self.seeds()?.all(1024)?;
        Ok(v.into_iter().filter(|(_, b)| b.root == slot).collect())
    }

    /// True when newborns of a gated root die before their first instruction (gate D, 6.13+).
    pub fn gate_at_birth(&self) -> bool {
        self.features & ctl::HAS_SIGNAL_TASK != 0
    }

    /// True when members carry pidfs inodes (6.9+).
    pub fn has_inodes(&self) -> bool {
        self.features & ctl::HAS_INODES != 0
    }

    /// Passes a result on and remembers that it was a failure.
    fn heed<T>(&self, r: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &r {
            let errno = e.raw_os_error().unwrap_or(libc::EIO);
            let _ = self.trouble.compare_exchange(0, errno, Ordering::Relaxed, Ordering::Relaxed);
        }
        r
    }
}
