//! Opening: the pins of a directory become a [`Programs`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32};

use bytemuck::Pod;
use killer_common::ctl as ctl_op;
use killer_common::names::*;
use killer_common::record::{Birth, Ending, Member, TaskKey};
use killer_common::{MAX_ENDING, MAX_ROOTS, TGIDS};

use super::Programs;
use super::pin::Pin;
use crate::bpf::ask::Asking;
use crate::bpf::pins::{self, Paths, not_permitted};
use crate::bpf::{attach, lacks, maps};
use crate::keep::{KeepError, What};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::bpf::{self, Hash};
use crate::sys::limits;
use crate::sys::map::Mapped;

/// Below so many descriptors programs are opened when they are needed: two dozen would leave none to signal with.
const FEW: u64 = 64;
/// Descriptors that have to be left when the tracker is open.
const SPARE: usize = 4;

/// Programs see the initial PID namespace, `pidfd_open` the caller's: the same number would be another process.
pub fn namespace() -> Result<(), KeepError> {
    match probe::in_initial_pid_ns() {
        Ok(true) => Ok(()),
        Ok(false) => Err(KeepError::PidNamespace),
        Err(_) => Err(KeepError::Proc("the PID namespace of this process cannot be looked up in /proc")),
    }
}

/// Which tier the programs are of, by what they say.
pub(super) fn tier_of(features: u32) -> Tier {
    match features {
        f if f & ctl_op::HAS_CLASSIC != 0 => Tier::Legacy,
        f if f & ctl_op::HAS_RAW != 0 => Tier::Raw,
        f if f & ctl_op::HAS_WITNESS != 0 => Tier::Witnessed,
        _ => Tier::Typed,
    }
}

impl Programs {
    /// Opens the pins in a directory that is the version's, not yet, or no longer.
    pub(in crate::bpf) fn open_in(paths: &Paths, v: &Path) -> Result<Self, KeepError> {
        let inode = there(v)?;
        let pins = Pinned(v);
        let slots = MAX_ROOTS as usize;
        let (births, most) = pins.map(BIRTHS)?;
        let asking = Asking::of(v).what("opening the map of requests")?;
        let asked = asking.program();
        let ctl = pins.get("progs", asked)?;
        let features = features(&asking, &ctl)?;
        let tier = tier_of(features);
        let few = limits::descriptors() < FEW;
        let mut programs = vec![Pin::open(asked, ctl)];
        programs.extend(pins.programs(tier, features, few)?);
        // One after the other: a mapping needs its descriptor no longer than to be made.
        let t = Self {
            paths: paths.clone(),
            pop: pins.mapped(POP, slots, false)?,
            roots: pins.mapped(ROOTS, slots, false)?,
            reasons: pins.mapped(REASONS, slots, false)?,
            control: pins.mapped(CONTROL, slots, true)?,
            global: pins.mapped(GLOBAL, 1, false)?,
            index: pins.mapped_by_number(INDEX)?,
            leaders: pins.mapped_by_number(LEADERS)?,
            births: Hash::checked(births),
            stops: pins.hash(STOPS)?,
            ending: OnceLock::new(),
            claims: OnceLock::new(),
            seeds: OnceLock::new(),
            dead: OnceLock::new(),
            ancestors_most: OnceLock::new(),
            programs,
            few,
            opened: (v.to_owned(), inode),
            pinned: AtomicBool::new(false),
            beyond: OnceLock::new(),
            trouble: AtomicI32::new(0),
            tasks: if tier.by_btf() { most } else { most / 2 },
            acts: OnceLock::new(),
            features,
            holds: Default::default(),
            hears: Default::default(),
            no_states: Default::default(),
            asking,
        };
        // What a signal to somebody takes, and a look at him.
        let spare = |_| t.ctl_program().and_then(|p| p.as_fd().try_clone_to_owned());
        (0..if few { SPARE } else { 0 })
            .map(spare)
            .collect::<io::Result<Vec<_>>>()
            .what("opening the tracker")?;
        Ok(t)
    }
}

/// The inode of such a directory, where it is.
fn there(v: &Path) -> Result<u64, KeepError> {
    match std::fs::symlink_metadata(v) {
        Ok(m) => Ok(m.ino()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(KeepError::NotLoaded),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Err(not_permitted("open the tracker")),
        Err(e) => Err(KeepError::Io { what: "opening the tracker".into(), source: e }),
    }
}

/// What the programs say that they are: `HAS_*`.
fn features(asking: &Asking, ctl: &OwnedFd) -> Result<u32, KeepError> {
    let said = asking.ask(ctl, None, &[ctl_op::FEATURES, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(said.map_err(|e| lacks::running("asking the programs what they are", e))? as u32)
}

fn unmapped(e: io::Error) -> KeepError {
    KeepError::Io { what: "mapping the tracker".into(), source: e }
}

/// Maps that few commands look at: each is opened when it is looked at first.
impl Programs {
    pub(super) fn ending(&self) -> io::Result<&Mapped<Ending>> {
        self.later(&self.ending, |pins| pins.mapped(ENDING, MAX_ENDING as usize, false))
    }

    pub(super) fn claims(&self) -> io::Result<&Mapped<u64>> {
        self.later(&self.claims, |pins| pins.claims())
    }

    pub(super) fn seeds(&self) -> io::Result<&Hash<u64, Birth>> {
        self.later(&self.seeds, |pins| pins.hash(SEEDS))
    }

    pub(in crate::bpf) fn dead_map(&self) -> io::Result<&Hash<TaskKey, Member>> {
        self.later(&self.dead, |pins| pins.hash(DEAD))
    }

    /// So many dead with living descendants there is room for.
    pub(in crate::bpf) fn ancestors_most(&self) -> io::Result<u32> {
        self.later(&self.ancestors_most, |pins| pins.map(ANCESTORS).map(|(_, n)| n)).copied()
    }

    fn later<'a, T: Send>(
        &self,
        at: &'a OnceLock<T>,
        open: impl FnOnce(&Pinned<'_>) -> Result<T, KeepError> + Send,
    ) -> io::Result<&'a T> {
        if let Some(there) = at.get() {
            return Ok(there);
        }
        let opened = self.in_opened(|v| open(&Pinned(v)))?;
        Ok(at.get_or_init(|| opened))
    }

    /// Opens something in the directory of pins that was opened first, which may have been given its name since. That it is that one is
    /// looked at afterwards: where another tracker has been loaded in its place, what was opened is of other sets.
    pub(super) fn in_opened<T: Send>(
        &self,
        open: impl FnOnce(&Path) -> Result<T, KeepError> + Send,
    ) -> io::Result<T> {
        let (first, inode) = &self.opened;
        let opened = pins::in_host_mounts(&self.paths, || {
            let v = self.paths.version();
            let v = if *first == v || !first.exists() { &v } else { first };
            let opened = open(v)?;
            if there(v)? == *inode { Ok(opened) } else { Err(KeepError::NotLoaded) }
        });
        self.heed(opened.map_err(io::Error::other))
    }
}

/// A directory of pins.
pub(super) struct Pinned<'a>(pub(super) &'a Path);

impl Pinned<'_> {
    pub(super) fn get(&self, kind: &str, name: &str) -> Result<OwnedFd, KeepError> {
        bpf::obj_get(&self.0.join(kind).join(name)).map_err(|e| match e.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => not_permitted("open the tracker"),
            Some(libc::ENOENT) => KeepError::Damaged(format!("{kind}/{name}")),
            _ => KeepError::Io { what: format!("opening {kind}/{name}"), source: e },
        })
    }

    /// The programs but the one on request. Open are the hooks, each of which is asked at each call how many of its runs were skipped,
    /// and what would be opened in the middle of signals to processes that nothing else keeps from forking (before 6.13).
    fn programs(&self, tier: Tier, features: u32, few: bool) -> Result<Vec<Pin>, KeepError> {
        let can_skip = features & ctl_op::HAS_SKIPS != 0;
        let has = |p: &str| (can_skip || !tier.by_btf()) && self.0.join("progs").join(p).exists();
        let hooks = attach::hooks(tier, can_skip, &has).into_iter().map(|h| h.0).filter(|h| *h != P_ASK);
        let mut v: Vec<Pin> = Vec::new();
        for name in hooks {
            v.push(self.program(name, true, few)?);
        }
        // `bpf_send_signal` is 5.3+.
        for name in [P_SYS_ENTER, P_SYS_EXIT].into_iter().filter(|p| tier.by_btf() || has(p)) {
            v.push(self.program(name, features & ctl_op::HAS_SIGNAL_TASK == 0, few)?);
        }
        v.extend([P_CLEAR, P_REAP, P_SWEEP, P_SIGNAL].map(Pin::perhaps));
        Ok(v)
    }

    fn program(&self, name: &'static str, open: bool, few: bool) -> Result<Pin, KeepError> {
        let fd = if open { Some(self.get("progs", name)?) } else { None };
        Ok(fd.filter(|_| !few).map_or_else(|| Pin::closed(name), |fd| Pin::open(name, fd)))
    }

    /// A map, and how many elements it has room for.
    fn map(&self, name: &'static str) -> Result<(OwnedFd, u32), KeepError> {
        let fd = self.get("maps", name)?;
        let n = maps::check(&fd, name)?;
        Ok((fd, n))
    }

    fn hash<K: Pod, V: Pod>(&self, name: &'static str) -> Result<Hash<K, V>, KeepError> {
        Ok(Hash::checked(self.map(name)?.0))
    }

    fn mapped<T: Pod>(
        &self,
        name: &'static str,
        elements: usize,
        write: bool,
    ) -> Result<Mapped<T>, KeepError> {
        Mapped::new(self.map(name)?.0, elements, write, || self.lock()).map_err(unmapped)
    }

    /// An array that has a place for each number of a process.
    fn mapped_by_number<T: Pod>(&self, name: &'static str) -> Result<Mapped<T>, KeepError> {
        let (fd, elements) = self.map(name)?;
        Mapped::by_number(fd, (elements * TGIDS) as usize, false, || self.lock()).map_err(unmapped)
    }

    /// The claims. Where they cannot be mapped no hook looks at them, and they are this process's own.
    fn claims(&self) -> Result<Mapped<u64>, KeepError> {
        let (fd, elements) = self.map(CLAIMS)?;
        let len = (elements * TGIDS) as usize;
        match Mapped::by_number(fd, len, true, || self.lock()).map_err(unmapped)? {
            claims if claims.is_mapped() => Ok(claims),
            _ => Mapped::of_our_own(len).map_err(unmapped),
        }
    }

    /// What changes of maps that cannot be mapped are made under.
    fn lock(&self) -> io::Result<std::fs::File> {
        std::fs::File::open(self.0.join("maps"))
    }
}
