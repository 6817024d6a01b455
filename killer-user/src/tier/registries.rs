//! Where a caller's registries in files may be, and which are there: a service is found in the tier that took it in,
//! whatever tier would be the best one now, and whatever another one says.

use super::place::run_root;
use super::{named, scan};
use crate::keep::{Changes, InFiles, Keep, KeepError};
use crate::kernel::tier::Tier;

/// Registries that are there, those with live services first, and what may be there and cannot be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub keeps: Vec<Box<dyn Changes>>,
    pub failed: Vec<(Tier, KeepError)>,
}

impl Found {
    /// What could not be looked at, in words.
    pub fn words(&self) -> Vec<String> {
        self.failed.iter().map(|(t, e)| format!("tier {}: {e}", t.name())).collect()
    }
}

/// A tier without programs that the caller has asked for.
pub(super) fn forced() -> Option<Tier> {
    let word = std::env::var("KILLER_TIER").ok()?;
    Tier::named(&word).filter(|t| t.is_without_programs())
}

/// Makes a tier without programs, or opens it where it is.
pub(super) fn make(tier: Tier) -> Result<Box<dyn Changes>, KeepError> {
    let at = run_root();
    if tier == Tier::Named {
        return Ok(Box::new(named::Named::up(&at)?));
    }
    // Where services of it are, more are started; else at the first place that can be written to.
    let there = found_of(Tier::Scan).keeps.into_iter().find(|k| busy(&**k));
    if let Some(k) = there {
        return Ok(k);
    }
    let mut first = None;
    for dir in scan::homes(&at) {
        match scan::Scan::up(&dir) {
            Ok(k) => return Ok(Box::new(k)),
            Err(e) => first = first.or(Some(e)),
        }
    }
    Err(first.unwrap_or(KeepError::NotLoaded))
}

/// Makes a tier without programs in a place of its own, and takes it down again: an error where it cannot be made.
pub(super) fn try_out(tier: Tier) -> Result<(), KeepError> {
    if tier != Tier::Named {
        return Ok(());
    }
    let at = run_root();
    let fresh = !at.root.exists();
    let own = format!("trial-{}", std::process::id());
    let n = named::Named::up(&super::Place { own: Some(own), ..at.clone() })?;
    let done = n.tear_down();
    if fresh {
        let _ = std::fs::remove_dir(&at.root);
    }
    done
}

/// Every registry of this caller; of the tier that was asked for only, where one was.
pub(super) fn found() -> Found {
    match forced() {
        Some(t) => found_of(t),
        None => {
            let (mut a, b) = (found_of(Tier::Named), found_of(Tier::Scan));
            a.keeps.extend(b.keeps);
            a.failed.extend(b.failed);
            // In their order, but one that has live services comes first.
            a.keeps.sort_by_key(|k| !busy(&**k));
            a
        }
    }
}

fn found_of(tier: Tier) -> Found {
    let at = run_root();
    let mut f = Found::default();
    let mut note = |r: Result<Box<dyn Changes>, KeepError>| match r {
        Ok(k) => f.keeps.push(k),
        Err(KeepError::NotLoaded) => {}
        Err(e) => f.failed.push((tier, e)),
    };
    match tier {
        // Root's alone, and of no use to anybody else.
        Tier::Named if !rustix::process::geteuid().is_root() && forced().is_none() => {}
        Tier::Named => note(named::Named::open(&at).map(|k| Box::new(k) as Box<dyn Changes>)),
        _ => {
            for dir in scan::homes(&at) {
                note(scan::Scan::open(&dir).map(|k| Box::new(k) as Box<dyn Changes>));
            }
        }
    }
    f
}

/// True when services of it are alive.
pub(super) fn busy(k: &dyn Keep) -> bool {
    k.roots().iter().any(|(s, _)| k.count(*s) != 0)
}
