//! Opening: the pins of a directory become a [`Programs`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI32;

use bytemuck::Pod;
use killer_common::ctl as ctl_op;
use killer_common::names::*;
use killer_common::{MAX_ENDING, MAX_ROOTS, TGIDS};

use super::Programs;
use crate::bpf::ask::Asking;
use crate::bpf::pins::{Paths, not_permitted};
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

/// Programs that few commands need, none of them in the middle of its signals: opened when they are needed.
const RARE: [&str; 3] = [P_CLEAR, P_REAP, P_SIGNAL];

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
        there(v)?;
        let pins = Pinned(v);
        let slots = MAX_ROOTS as usize;
        let (births, births_most) = pins.map(BIRTHS)?;
        let (_, ancestors_most) = pins.map(ANCESTORS)?;
        let asking = Asking::of(v).what("opening the map of requests")?;
        let asked = asking.program();
        let ctl = pins.get("progs", asked)?;
        let features = features(&asking, &ctl)?;
        let tier = tier_of(features);
        let few = limits::descriptors() < FEW;
        let mut programs = vec![(asked, Some(ctl))];
        for name in pins.programs(tier, features & ctl_op::HAS_SKIPS != 0) {
            let fd = if RARE.contains(&name) { None } else { Some(pins.get("progs", name)?) };
            programs.push((name, fd.filter(|_| !few)));
        }
        // One after the other: a mapping needs its descriptor no longer than to be made.
        let t = Self {
            paths: paths.clone(),
            pop: pins.mapped(POP, slots, false)?,
            roots: pins.mapped(ROOTS, slots, false)?,
            reasons: pins.mapped(REASONS, slots, false)?,
            control: pins.mapped(CONTROL, slots, true)?,
            global: pins.mapped(GLOBAL, 1, false)?,
            ending: pins.mapped(ENDING, MAX_ENDING as usize, false)?,
            index: pins.mapped_by_number(INDEX)?,
            leaders: pins.mapped_by_number(LEADERS)?,
            claims: pins.claims()?,
            births: Hash::checked(births),
            seeds: pins.hash(SEEDS)?,
            dead: pins.hash(DEAD)?,
            ancestors_most,
            stops: pins.hash(STOPS)?,
            programs,
            beyond: OnceLock::new(),
            trouble: AtomicI32::new(0),
            births_most,
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

/// Is there such a directory?
fn there(v: &Path) -> Result<(), KeepError> {
    match std::fs::symlink_metadata(v) {
        Ok(_) => Ok(()),
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

/// A directory of pins.
struct Pinned<'a>(&'a Path);

impl Pinned<'_> {
    fn get(&self, kind: &str, name: &str) -> Result<OwnedFd, KeepError> {
        bpf::obj_get(&self.0.join(kind).join(name)).map_err(|e| match e.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => not_permitted("open the tracker"),
            Some(libc::ENOENT) => KeepError::Damaged(format!("{kind}/{name}")),
            _ => KeepError::Io { what: format!("opening {kind}/{name}"), source: e },
        })
    }

    /// Programs that have to be there, but the one on request, and those that may.
    fn programs(&self, tier: Tier, can_skip: bool) -> Vec<&'static str> {
        let has = |p: &str| self.0.join("progs").join(p).exists();
        let mut v: Vec<_> =
            attach::hooks(tier, can_skip, &has).iter().map(|h| h.0).filter(|h| *h != P_ASK).collect();
        // `bpf_send_signal` is 5.3+.
        v.extend([P_SYS_ENTER, P_SYS_EXIT].into_iter().filter(|p| tier.by_btf() || has(p)));
        v.extend([P_CLEAR, P_REAP, P_SWEEP, P_SIGNAL].into_iter().filter(|p| has(p)));
        v
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
        Mapped::new(fd, (elements * TGIDS) as usize, false, || self.lock()).map_err(unmapped)
    }

    /// The claims. Where they cannot be mapped no hook looks at them, and they are this process's own.
    fn claims(&self) -> Result<Mapped<u64>, KeepError> {
        let (fd, elements) = self.map(CLAIMS)?;
        let len = (elements * TGIDS) as usize;
        match bpf::can_map(&fd).map_err(unmapped)? {
            true => Mapped::new(fd, len, true, || self.lock()).map_err(unmapped),
            false => Mapped::of_our_own(len).map_err(unmapped),
        }
    }

    /// What changes of maps that cannot be mapped are made under.
    fn lock(&self) -> io::Result<std::fs::File> {
        std::fs::File::open(self.0.join("maps"))
    }
}
