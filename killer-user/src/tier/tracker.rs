//! Which tier it is here: the best that works, unless one is in use or asked for.

use std::io;
use std::ops::Deref;
use std::os::fd::OwnedFd;

use killer_common::record::TaskKey;

use super::cross_check::CrossCheck;
use super::place::run_root;
use super::registries::{self, Found, forced};
use super::witnesses::Witnesses;
use super::{Paths, named};
use crate::bpf::{self, PinLock, Programs};
use crate::keep::{Candidate, Changes, HowEnded, Keep, KeepError, Slot, Taken, TakenBelow};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::alive::Identity;
use crate::sys::launch::{Launch, Spawned};
use crate::sys::proc;

/// What keeps the sets here: one of the tiers, whichever.
///
/// It is a [`Keep`]; what changes a set is its own, because the cross-check has to see it.
#[derive(Debug)]
pub struct Tracker {
    keep: Box<dyn Changes>,
    better: Option<String>,
    passed_by: bool,
    cross_check: Option<CrossCheck>,
    witnesses: Witnesses,
}

impl Deref for Tracker {
    type Target = dyn Keep;

    fn deref(&self) -> &Self::Target {
        &*self.keep
    }
}

const WITHOUT: [Tier; 2] = [Tier::Named, Tier::Scan];

/// True when another tier may do what the programs cannot; false when there is a tracker that must not be passed by, or
/// the caller has chosen a place for one that cannot be, or asked for a tier.
fn may_fall(why: &KeepError, paths: &Paths) -> bool {
    match why {
        _ if std::env::var_os("KILLER_TIER").is_some_and(|t| !t.is_empty()) => false,
        // One call of it failed: a service that is started beside it would be in a list that nobody looks at afterwards.
        KeepError::NotPermitted { .. } if paths.version().exists() => !probe::missing_caps().is_empty(),
        KeepError::PidNamespace => true,
        // Nothing is known of the host then.
        KeepError::Proc(_) => false,
        _ if paths.version().exists() => false,
        KeepError::Damaged(_) => false,
        KeepError::NoBpffs { .. } | KeepError::NoSys => !paths.chosen,
        _ => true,
    }
}

/// The best tier that works here: the programs, else the first of the others, by what makes each. `make` is told why it is no
/// better one.
fn choose<T>(
    paths: &Paths,
    others: &[Tier],
    programs: impl FnOnce() -> Result<T, KeepError>,
    make: impl Fn(Tier, &str) -> Result<T, KeepError>,
) -> Result<T, KeepError> {
    let mut last = match programs() {
        Err(why) if may_fall(&why, paths) => why,
        r => return r,
    };
    let better = last.to_string();
    for &t in others {
        match make(t, &better) {
            Ok(made) => return Ok(made),
            Err(e) => {
                log::info!("no tier {}: {e}", t.name());
                // Every tier needs a place: that none can be had is what can be mended.
                last = if matches!(e, KeepError::NoPlace { .. }) { e } else { last };
            }
        }
    }
    Err(last)
}

/// What would come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The tier.
    pub tier: Tier,
    /// Why it is no better one; `None`: there is none.
    pub better: Option<String>,
}

impl Tracker {
    fn of(keep: Box<dyn Changes>, better: Option<String>) -> Self {
        Self { keep, better, passed_by: false, cross_check: None, witnesses: Witnesses::default() }
    }

    /// The programs, with the cross-check where it was asked for.
    fn programs(t: Programs) -> Self {
        Self { cross_check: CrossCheck::open(&run_root()), ..Self::of(Box::new(t), None) }
    }

    /// How those end that are sent signals from now on will be asked for.
    pub fn ask_for_ends(&self) {
        self.witnesses.begin(self.past().is_none_or(|p| !p.tells_ends()));
    }

    /// One that was sent a signal.
    pub fn witness(&self, it: Identity, pidfd: &OwnedFd) {
        self.witnesses.keep(it, pidfd);
    }

    /// How a process that has ended did, where that is known.
    pub fn how_ended(&self, it: Identity) -> Option<HowEnded> {
        let seen = self.past().and_then(|p| p.status(it.pid, it.start));
        seen.or_else(|| self.witnesses.status(it))
    }

    /// From here on the named hierarchy is a cross-check of what is started.
    pub fn up_cross_check(&mut self) -> Result<(), KeepError> {
        if !self.tier().is_without_programs() {
            self.cross_check = Some(CrossCheck::up(&run_root())?);
        }
        Ok(())
    }

    /// As [`Changes::spawn`], for the cross-check, too.
    pub fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        self.keep.spawn(s, flags, l, &mut |pid| {
            if let Some(c) = &self.cross_check {
                c.join(s, pid as u32)?;
            }
            ready(pid)
        })
    }

    /// As [`Changes::adopt`], for the cross-check, too.
    pub fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken> {
        let taken = self.keep.adopt(s, candidate, from)?;
        if let Some(c) = &self.cross_check {
            c.adopt(&*self.keep, s)?;
        }
        Ok(taken)
    }

    /// As [`Changes::adopt_below`], for the cross-check, too.
    pub fn adopt_below(&self, s: Slot, top: TaskKey) -> io::Result<TakenBelow> {
        let taken = self.keep.adopt_below(s, top)?;
        if let Some(c) = &self.cross_check {
            c.adopt(&*self.keep, s)?;
        }
        Ok(taken)
    }

    /// As [`Changes::forget`], for the cross-check, too.
    pub fn forget(&self, s: Slot) -> io::Result<()> {
        self.keep.forget(s)?;
        if let Some(c) = &self.cross_check {
            c.forget(s);
        }
        Ok(())
    }

    /// True when the cross-check, where there is one, says otherwise.
    pub fn differs(&self, s: Slot) -> bool {
        self.cross_check.as_ref().is_some_and(|c| c.differs(&*self.keep, s))
    }

    /// Opens what is there. Nothing is loaded or changed.
    pub fn open(paths: &Paths) -> Result<Self, KeepError> {
        proc::mounted().map_err(KeepError::Proc)?;
        if forced().is_some() {
            return Self::first(registries::found(), None, KeepError::NotLoaded);
        }
        match Programs::open(paths) {
            Ok(t) => Ok(Self::programs(t)),
            Err(why) if may_fall(&why, paths) => {
                let better = why.to_string();
                let passed_by = matches!(why, KeepError::NotPermitted { .. });
                Ok(Self { passed_by, ..Self::first(registries::found(), Some(better), why)? })
            }
            Err(why) => Err(why),
        }
    }

    /// The first registry that is there. When there is none, one that cannot be looked at is the reason, else `none`.
    fn first(found: Found, better: Option<String>, none: KeepError) -> Result<Self, KeepError> {
        match found.keeps.into_iter().next() {
            Some(k) => Ok(Self::of(k, better)),
            None => Err(found.failed.into_iter().next().map_or(none, |(_, e)| e)),
        }
    }

    /// What else keeps services of this caller: other tiers that took some in, and in words what could not be looked at.
    pub fn elsewhere(&self) -> (Vec<Self>, Vec<String>) {
        if forced().is_some() {
            return (Vec::new(), Vec::new());
        }
        let found = registries::found();
        let dir = |k: &dyn Keep| k.in_files().map(|f| f.dir().to_owned());
        let ours = dir(&*self.keep);
        let other = |k: &dyn Keep| dir(k) != ours && !k.roots().is_empty();
        let failed = found.words();
        let others = found.keeps.into_iter().filter(|k| other(&**k)).map(|k| Self::of(k, None)).collect();
        (others, failed)
    }

    /// Opens the programs' pins and nothing else.
    pub fn open_pins(paths: &Paths) -> Result<Self, KeepError> {
        proc::mounted().map_err(KeepError::Proc)?;
        Ok(Self::programs(Programs::open(paths)?))
    }

    /// Opens it for something new, after making it when it is not there: the best tier that works, unless one is in use.
    pub fn up(paths: &Paths) -> Result<Self, KeepError> {
        Self::best(paths, &WITHOUT)
    }

    /// As [`Self::up`], but only tiers that other callers can use, too.
    pub fn load(paths: &Paths) -> Result<Self, KeepError> {
        Self::best(paths, &[Tier::Named])
    }

    fn best(paths: &Paths, others: &[Tier]) -> Result<Self, KeepError> {
        proc::mounted().map_err(KeepError::Proc)?;
        if let Some(t) = forced() {
            return Ok(Self::of(registries::make(t)?, None));
        }
        // When it is there, too, it goes on to `up`: its keeper may have died.
        if let Err(KeepError::NotLoaded) = Programs::open(paths)
            && let Some(k) = registries::found().keeps.into_iter().find(|k| registries::busy(&**k))
        {
            return Ok(Self::of(k, Some("services of it are alive".into())));
        }
        let make = |t: Tier, better: &str| Ok(Self::of(registries::make(t)?, Some(better.into())));
        choose(paths, others, || Programs::up(paths).map(Self::programs), make)
    }

    /// Which tier [`Self::up`] would come to where nothing is loaded and nothing is in use: everything is done as there, in places
    /// of their own, and nothing is left.
    ///
    /// # Errors
    /// Those of [`Self::up`].
    pub fn promised(paths: &Paths) -> Result<Promised, KeepError> {
        proc::mounted().map_err(KeepError::Proc)?;
        let programs = || {
            let (tier, lacks) = bpf::try_out(paths)?;
            let each = lacks.iter().map(|(t, l)| format!("{}: {l}", t.name()));
            Ok(Promised { tier, better: (!lacks.is_empty()).then(|| each.collect::<Vec<_>>().join("; ")) })
        };
        let make = |tier: Tier, better: &str| {
            registries::try_out(tier)?;
            Ok(Promised { tier, better: Some(better.into()) })
        };
        choose(paths, &WITHOUT, programs, make)
    }

    /// Why it is not a better tier, where that was found out by trying.
    pub fn better(&self) -> Option<&str> {
        self.better.as_deref()
    }

    /// Why a tracker of the host that may be there could not be asked.
    pub fn passed_by(&self) -> Option<&str> {
        self.better.as_deref().filter(|_| self.passed_by)
    }

    /// Tiers without programs that have a registry here, and in words what could not be looked at.
    pub fn others() -> (Vec<Self>, Vec<String>) {
        let found = registries::found();
        let failed = found.words();
        (found.keeps.into_iter().map(|k| Self::of(k, None)).collect(), failed)
    }

    /// The best tier that needs no programs here.
    pub fn without_programs() -> Tier {
        match Self::named_missing() {
            _ if forced().is_some() => forced().unwrap_or(Tier::Scan),
            None => Tier::Named,
            Some(_) => Tier::Scan,
        }
    }

    /// What the tier `named` lacks here, as far as can be said without mounting.
    pub fn named_missing() -> Option<String> {
        named::missing()
    }

    /// The tier that the caller asks for.
    pub fn asked() -> Option<Tier> {
        Tier::named(&std::env::var("KILLER_TIER").ok()?)
    }

    /// True when a tier without programs is asked for.
    pub fn is_forced() -> bool {
        forced().is_some()
    }

    /// Takes the programs down. The caller has made sure that nothing is tracked.
    pub fn down(paths: &Paths, lock: &PinLock) -> Result<bool, KeepError> {
        Programs::down(paths, lock)
    }

    /// The lock on the pins at a place, also when nothing is loaded there.
    pub fn lock_at(paths: &Paths) -> Result<PinLock, KeepError> {
        PinLock::take(paths)
    }

    /// Removes what a killed loader left.
    pub fn sweep(paths: &Paths) {
        bpf::tidy(paths);
    }
}
