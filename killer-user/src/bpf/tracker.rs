//! The open tracker: pins, mappings, and what can be read from them.

mod ending;
mod health;
mod program;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64};

use killer_common::claim;
use killer_common::ctl as ctl_op;
use killer_common::names::*;
use killer_common::record::*;
use killer_common::{CANARY_SLOT, MAX_ENDING, MAX_ROOTS, TGIDS};

use super::ctl::Slot;
use super::maps::{self, Limits};
use super::pins::{self, Paths, Registry, not_permitted};
use super::{BpfError, What, attach, canary, keeper, lacks, load};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::bpf::{self, Hash};
use crate::sys::map::Mapped;
use crate::sys::mem;

pub use health::Health;

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
    acts: OnceLock<bool>,
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

/// Below so many descriptors programs are opened when they are needed: two dozen would leave none to signal with.
const FEW: u64 = 64;
/// Descriptors that have to be left when the tracker is open.
const SPARE: usize = 4;

/// Programs see the initial PID namespace, `pidfd_open` the caller's: the same number would be another process.
pub(super) fn namespace() -> Result<(), BpfError> {
    match probe::in_initial_pid_ns() {
        Ok(true) => Ok(()),
        Ok(false) => Err(BpfError::PidNamespace),
        Err(_) => Err(BpfError::Proc("the PID namespace of this process cannot be looked up in /proc")),
    }
}

/// Which tier the programs are of, by what they say.
fn tier_of(features: u32) -> Tier {
    match features {
        f if f & ctl_op::HAS_CLASSIC != 0 => Tier::Legacy,
        f if f & ctl_op::HAS_RAW != 0 => Tier::Raw,
        f if f & ctl_op::HAS_WITNESS != 0 => Tier::Witnessed,
        _ => Tier::Typed,
    }
}

impl Tracker {
    /// Opens the pins of this ABI version. Nothing is loaded or changed.
    pub fn open(paths: &Paths) -> Result<Self, BpfError> {
        namespace()?;
        pins::in_host_mounts(paths, || Self::open_here(paths))
    }

    /// Opens the tracker, after loading and pinning it when it is not there.
    pub fn up(paths: &Paths) -> Result<Self, BpfError> {
        namespace()?;
        pins::in_host_mounts(paths, || match Self::open_here(paths) {
            Err(BpfError::NotLoaded) => {
                if keeper::wanted() {
                    keeper::start(paths)?;
                } else {
                    match load::up(paths) {
                        Err(BpfError::NeedsKeeper) => keeper::start(paths)?,
                        r => drop(r?),
                    }
                }
                Self::open_here(paths)
            }
            Ok(_) if keeper::alive(&paths.version()) == Some(false) => {
                keeper::start(paths)?;
                Self::open_here(paths)
            }
            r => r,
        })
    }

    fn open_here(paths: &Paths) -> Result<Self, BpfError> {
        Self::open_in(paths, &paths.version())
    }

    /// Opens the pins in a directory that is not yet, or no longer, the version's.
    pub(super) fn open_in(paths: &Paths, v: &Path) -> Result<Self, BpfError> {
        match std::fs::symlink_metadata(v) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(BpfError::NotLoaded),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(not_permitted("open the tracker"));
            }
            Err(e) => return Err(BpfError::Io { what: "opening the tracker".into(), source: e }),
        }
        let get = |kind: &str, name: &str| {
            bpf::obj_get(&v.join(kind).join(name)).map_err(|e| match e.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => not_permitted("open the tracker"),
                Some(libc::ENOENT) => BpfError::Damaged(format!("{kind}/{name}")),
                _ => BpfError::Io { what: format!("opening {kind}/{name}"), source: e },
            })
        };
        let map = |name: &'static str| -> Result<(OwnedFd, u32), BpfError> {
            let fd = get("maps", name)?;
            let n = maps::check(&fd, name)?;
            Ok((fd, n))
        };
        let slots = MAX_ROOTS as usize;
        let (members, tasks) = map(MEMBERS)?;
        let (_, ancestors_most) = map(ANCESTORS)?;
        let ctl = get("progs", P_CTL)?;
        let features = bpf::prog_run(&ctl, &[ctl_op::FEATURES, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .map_err(|e| lacks::running("asking the programs what they are", e))?
            as u32;
        let tier = tier_of(features);
        let has = |p: &str| v.join("progs").join(p).exists();
        let hooks = attach::hooks(tier, has(P_ORPHANS));
        let few = mem::descriptors() < FEW;
        let mut programs = vec![(P_CTL, Some(ctl))];
        let by_btf = matches!(tier, Tier::Witnessed | Tier::Typed);
        for name in hooks.iter().map(|h| h.0).chain([P_SYS_ENTER, P_SYS_EXIT]).chain(by_btf.then_some(P_WALK))
        {
            let fd = get("progs", name)?;
            programs.push((name, (!few).then_some(fd)));
        }
        for name in [P_CLEAR, P_SWEEP] {
            if has(name) {
                let fd = get("progs", name)?;
                programs.push((name, (!few).then_some(fd)));
            }
        }
        let births = if by_btf { None } else { Some(map(BIRTHS)?.0) };
        let m = |e: io::Error| BpfError::Io { what: "mapping the tracker".into(), source: e };
        // One after the other: a mapping needs its descriptor no longer than to be made.
        let pop = Mapped::new(map(POP)?.0, slots, false).map_err(m)?;
        let roots = Mapped::new(map(ROOTS)?.0, slots, false).map_err(m)?;
        let reasons = Mapped::new(map(REASONS)?.0, slots, false).map_err(m)?;
        let control = Mapped::new(map(CONTROL)?.0, slots, true).map_err(m)?;
        let global = Mapped::new(map(GLOBAL)?.0, 1, false).map_err(m)?;
        let ending = Mapped::new(map(ENDING)?.0, MAX_ENDING as usize, false).map_err(m)?;
        let per_tgid = |(fd, elements): (OwnedFd, u32)| (fd, (elements * TGIDS) as usize);
        let (index, n) = per_tgid(map(INDEX)?);
        let index = Mapped::new(index, n, false).map_err(m)?;
        let (claims, n) = per_tgid(map(CLAIMS)?);
        let claims = Mapped::new(claims, n, true).map_err(m)?;
        let t = Self {
            paths: paths.clone(),
            pop,
            roots,
            reasons,
            control,
            global,
            index,
            claims,
            members: Hash::new(members).map_err(m)?,
            seeds: Hash::new(map(SEEDS)?.0).map_err(m)?,
            dead: Hash::new(map(DEAD)?.0).map_err(m)?,
            ending,
            ancestors_most,
            stops: Hash::new(map(STOPS)?.0).map_err(m)?,
            programs,
            beyond: OnceLock::new(),
            trouble: AtomicI32::new(0),
            tasks,
            acts: OnceLock::new(),
            features,
            births: births.map(Hash::new).transpose().map_err(m)?,
        };
        // What a signal to somebody takes, and a look at him.
        let spare = |_| t.ctl_program().and_then(|p| p.as_fd().try_clone_to_owned());
        (0..if few { SPARE } else { 0 })
            .map(spare)
            .collect::<io::Result<Vec<_>>>()
            .what("opening the tracker")?;
        Ok(t)
    }

    /// Unpins everything. The caller has made sure that nothing is tracked.
    pub fn down(paths: &Paths, _lock: &Registry) -> Result<bool, BpfError> {
        pins::in_host_mounts(paths, || {
            paths.sweep();
            let v = paths.version();
            if !v.exists() {
                return Ok(false);
            }
            keeper::end(&v);
            // Out of sight first, in one step: no half-made version directory is ever seen.
            let gone = paths.root.join(format!("tmp-{}", std::process::id()));
            std::fs::rename(&v, &gone).what("taking the pins away")?;
            pins::remove(&gone);
            Ok(true)
        })
    }

    /// True when the birth witness is loaded: no birth and no end can be missed.
    pub fn cannot_miss(&self) -> bool {
        self.features & ctl_op::HAS_WITNESS != 0
    }

    /// The tier that keeps the sets.
    pub fn tier(&self) -> Tier {
        tier_of(self.features)
    }

    /// True when the witness acts now: a fork into the canary's root is refused. Its programs can fall silent while they
    /// are attached (kernel.ftrace_enabled=0, 6.1+). Asked once by each command, before the gate closes: 0.1 ms.
    pub fn witness_acts(&self) -> bool {
        *self.acts.get_or_init(|| self.cannot_miss() && canary::denied(self))
    }

    /// Name of the gate at birth, where there is one: A refuses forks, D kills newborns before their first instruction.
    pub fn birth_gate(&self) -> Option<&'static str> {
        if self.witness_acts() {
            return Some("A");
        }
        self.gate_at_birth().then_some("D")
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
