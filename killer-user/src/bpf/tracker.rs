//! The open tracker: pins, mappings, and what can be read from them.

mod ending;
mod health;
mod open;
mod program;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64};

use killer_common::CANARY_SLOT;
use killer_common::claim;
use killer_common::ctl as ctl_op;
use killer_common::record::*;

use super::BpfError;
use super::maps::Limits;
use super::pins::{self, Paths, Registry};
use super::slot::Slot;
use crate::sys::bpf::Hash;
use crate::sys::map::Mapped;

pub use health::Health;
pub(super) use open::namespace;

/// The tracker, opened from its pins.
#[derive(Debug)]
pub struct Tracker {
    paths: Paths,
    pop: Mapped<Pop>,
    roots: Mapped<Root>,
    reasons: Mapped<Reasons>,
    control: Mapped<Control>,
    global: Mapped<Global>,
    index: Mapped<u16>,
    claims: Mapped<u64>,
    members: Hash<u32, Member>,
    seeds: Hash<u64, Birth>,
    pub(super) dead: Hash<TaskKey, Member>,
    ending: Mapped<Ending>,
    stops: Hash<u32, Stop>,
    /// With descriptors kept open, but where the process may have few.
    programs: Vec<(&'static str, Option<OwnedFd>)>,
    tasks: u32,
    pub(super) ancestors_most: u32,
    pub(super) acts: OnceLock<bool>,
    beyond: OnceLock<bool>,
    /// errno of the first look-up that failed; 0 = none.
    trouble: AtomicI32,
    pub(super) features: u32,
    pub(super) births: Option<Hash<u64, Birth>>,
}

/// A signal that is to be received exactly once along every lineage path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Names it, see `killer_common::claim`.
    pub epoch: u64,
    /// The signal.
    pub signal: i32,
    /// Value of a real-time signal.
    pub value: Option<i32>,
    /// What newborns get: `NEWBORNS_*`.
    pub newborns: u32,
    /// Who is behind is left to the sweeper, `killer_common::claim::LATER`.
    pub later: bool,
}

impl Tracker {
    /// True when the birth witness is loaded: no birth and no end can be missed.
    pub fn cannot_miss(&self) -> bool {
        self.features & ctl_op::HAS_WITNESS != 0
    }

    /// Where it is pinned.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The lock that changes of names, slots and pins take.
    pub fn lock(&self) -> Result<Registry, BpfError> {
        pins::in_host_mounts(&self.paths, || Registry::lock(&self.paths))
    }

    /// The registry's record of a slot that is in use.
    pub fn root(&self, slot: u32) -> Option<Root> {
        self.roots.get(slot as usize).filter(|r| slot != 0 && r.state != R_FREE)
    }

    /// The record of any slot, also a free one.
    pub fn slot(&self, slot: u32) -> Option<Root> {
        self.roots.get(slot as usize)
    }

    /// Every root in use.
    pub fn roots(&self) -> Vec<(u32, Root)> {
        (1..=self.global().high_slot as u32).filter_map(|s| Some((s, self.root(s)?))).collect()
    }

    /// Counts of a root.
    pub fn pop(&self, slot: u32) -> Pop {
        self.pop.get(slot as usize).unwrap_or_default()
    }

    /// The kernel's count of a root's tasks.
    pub fn count(&self, slot: u32) -> i64 {
        self.pop.count(slot as usize)
    }

    /// Reasons counted against a root.
    pub fn reasons(&self, slot: u32) -> Option<Reasons> {
        self.reasons.get(slot as usize)
    }

    /// Figures of the tracker.
    pub fn global(&self) -> Global {
        self.global.get(0).unwrap_or_default()
    }

    /// The gate word of a root.
    pub fn gate(&self, slot: u32) -> &AtomicU64 {
        self.control.gate(slot as usize)
    }

    /// Begins a broadcast for the members of a root and the roots inside it, or renews it.
    pub fn broadcast(&self, slot: u32, b: &Broadcast, until: u64) {
        // As sigqueue(3) passes it: the int is the low half of the union.
        let value = u64::from(b.value.unwrap_or(0) as u32) | if b.later { claim::LATER } else { 0 };
        self.control.broadcast(slot as usize, b.epoch, b.signal as u32, b.newborns, value, until);
    }

    /// Newborns that are behind in a root's broadcast are sent it at birth from here on.
    pub fn leave_to_births(&self, slot: u32) {
        self.control.at_birth(slot as usize, claim::LATER);
    }

    /// The broadcast of a root that still holds, after renewing it until then: its signal.
    pub fn renew_broadcast(&self, slot: u32, now: u64, until: u64) -> Option<i32> {
        let c = self.control.get(slot as usize).filter(|c| c.epoch != 0 && c.until > now)?;
        self.control.renew(slot as usize, until);
        Some(c.signal as i32)
    }

    /// Entries of system calls are stamped for this epoch, while somebody has the program attached; 0: no more.
    pub fn marks_for(&self, slot: u32, epoch: u64) {
        self.control.marks(slot as usize, epoch);
    }

    /// Keeps a root's stop command.
    pub fn set_stop(&self, s: Slot, text: &[u8]) -> io::Result<()> {
        let mut r = Stop { generation: s.generation, len: text.len() as u32, text: [0; STOP_LEN] };
        match r.text.get_mut(..text.len()) {
            Some(t) => t.copy_from_slice(text),
            None => return Err(io::Error::other(format!("longer than {STOP_LEN} bytes"))),
        }
        self.stops.put(&s.slot, &r)
    }

    /// The stop command of a root.
    pub fn stop(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
        let r = self.stops.get(&s.slot)?.filter(|r| r.generation == s.generation);
        Ok(r.map(|r| r.text[..(r.len as usize).min(STOP_LEN)].to_vec()))
    }

    /// The claim word of a process.
    pub fn claim(&self, tgid: u32) -> Option<&AtomicU64> {
        self.claims.word(tgid as usize)
    }

    /// Thread group ids that the index has for the roots of `set`, in PID order.
    pub fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        let mut v = Vec::new();
        self.index.nonzero(|tgid, slot| {
            if set(slot) {
                v.push(tgid as u32);
            }
        });
        if self.has_beyond() {
            let all = self.all_members().unwrap_or_default();
            let beyond = all.iter().filter(|m| m.tgid as usize >= self.index.len() && set(m.root as u16));
            v.extend(beyond.map(|m| m.tgid));
            let from = v.partition_point(|&t| (t as usize) < self.index.len());
            v[from..].sort_unstable();
        }
        v
    }

    /// True when pid_max was raised after the index was made: members may have numbers that it has no place for.
    fn has_beyond(&self) -> bool {
        *self.beyond.get_or_init(|| Limits::read().tgids() as usize > self.index.len())
    }

    /// The index entry of a process.
    pub fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let m = self.heed(self.members.get(&tgid))?;
        // Elements are recycled under readers: what does not say its own number is another's.
        Ok(m.filter(|m| m.tgid == tgid))
    }

    /// Every index entry at once (5.6+): for sets too large for single look-ups.
    pub fn all_members(&self) -> io::Result<Vec<Member>> {
        let v = self.heed(self.members.all(8192))?;
        Ok(v.into_iter().filter(|(k, m)| *k == m.tgid).map(|(_, m)| m).collect())
    }

    /// Marks and holds on a root: (task address, mark).
    pub fn marks(&self, slot: u32) -> io::Result<Vec<(u64, Birth)>> {
        let v = self.seeds.all(1024)?;
        Ok(v.into_iter().filter(|(_, b)| b.root == slot).collect())
    }

    /// The first free slot.
    pub fn free_slot(&self) -> Option<Slot> {
        (1..CANARY_SLOT).find_map(|slot| {
            let r = self.slot(slot)?;
            (r.state == R_FREE && self.count(slot) == 0).then_some(Slot { slot, generation: r.generation })
        })
    }

    /// Tasks that the maps have room for.
    pub fn capacity(&self) -> u32 {
        self.tasks
    }
}
