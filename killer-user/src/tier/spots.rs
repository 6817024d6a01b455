//! Where a caller's registries in files may be, and which are there: a service is found in the tier that took it in, whatever
//! tier would be the best one now, and whatever another one says.

use std::io;
use std::path::{Path, PathBuf};

use super::book::Book;
use super::{BpfError, Keep, Place, named, scan};
use crate::bpf::Paths;
use crate::kernel::{probe, tier::Tier};

/// Where the tiers without programs keep what they need.
const RUN: &str = "/run/killer";
/// Environment variable that moves it.
const RUN_ROOT: &str = "KILLER_RUN_ROOT";

/// Registries that are there, those with live services first, and what may be there and cannot be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub keeps: Vec<Box<dyn Keep>>,
    pub failed: Vec<(Tier, BpfError)>,
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

/// Where the registries are. A tracker at a place of its own has registries of its own.
pub(super) fn run_root() -> Place {
    if let Some(r) = std::env::var_os(RUN_ROOT).filter(|r| !r.is_empty()) {
        return Place { root: r.into(), own: None, chosen: true };
    }
    let root = PathBuf::from(RUN);
    let pins = Paths::default();
    match pins.chosen {
        true => {
            Place { root, own: Some(super::hash(pins.root.as_os_str().as_encoded_bytes())), chosen: false }
        }
        false => Place { root, own: None, chosen: false },
    }
}

/// Makes a tier without programs, or opens it where it is.
pub(super) fn make(tier: Tier) -> Result<Box<dyn Keep>, BpfError> {
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
    Err(first.unwrap_or(BpfError::NotLoaded))
}

/// Every registry of this caller; of the tier that was asked for only, where one was.
pub(super) fn found() -> Found {
    match forced() {
        Some(t) => found_of(t),
        None => {
            let (mut a, b) = (found_of(Tier::Named), found_of(Tier::Scan));
            a.keeps.extend(b.keeps);
            a.failed.extend(b.failed);
            // In their order, but who has live services comes first.
            a.keeps.sort_by_key(|k| !busy(&**k));
            a
        }
    }
}

fn found_of(tier: Tier) -> Found {
    let at = run_root();
    let mut f = Found::default();
    let mut note = |r: Result<Box<dyn Keep>, BpfError>| match r {
        Ok(k) => f.keeps.push(k),
        Err(BpfError::NotLoaded) => {}
        Err(e) => f.failed.push((tier, e)),
    };
    match tier {
        // Root's alone, and of no use to anybody else.
        Tier::Named if !rustix::process::geteuid().is_root() && forced().is_none() => {}
        Tier::Named => note(named::Named::open(&at).map(|k| Box::new(k) as Box<dyn Keep>)),
        _ => {
            for dir in scan::homes(&at) {
                note(scan::Scan::open(&dir).map(|k| Box::new(k) as Box<dyn Keep>));
            }
        }
    }
    f
}

/// True when services of it are alive.
pub(super) fn busy(k: &dyn Keep) -> bool {
    k.roots().iter().any(|(s, _)| k.count(*s) != 0)
}

/// The error for a step of making or opening a registry: the place, not the privilege, is to blame where it is the place.
pub(super) fn failed(dir: &Path, what: &'static str, e: io::Error) -> BpfError {
    let words = |e: &io::Error| match e.raw_os_error() {
        Some(n) => nix::errno::Errno::from_raw(n).desc().to_owned(),
        None => e.to_string(),
    };
    // What was found there is told in words of our own.
    let ours = e.raw_os_error().is_none();
    match e.kind() {
        _ if ours => BpfError::NoPlace { path: dir.into(), why: words(&e) },
        io::ErrorKind::PermissionDenied if what != MAKE && !probe::missing_caps().is_empty() => {
            BpfError::NotPermitted { what, missing: probe::missing_caps() }
        }
        _ => BpfError::NoPlace { path: dir.into(), why: words(&e) },
    }
}

/// For [`failed`]: the registry is to be made.
pub(super) const MAKE: &str = "make the registry";

/// A registry that is there.
pub(super) fn open_book(dir: &Path) -> Result<Book, BpfError> {
    let book = Book::open(dir).map_err(|e| failed(dir, "open the registry", e))?;
    book.ok_or(BpfError::NotLoaded)
}

/// The same, made when it is not there. A failed try leaves no directory.
pub(super) fn make_book(dir: &Path) -> Result<Book, BpfError> {
    let missing: Vec<PathBuf> = dir.ancestors().take_while(|d| !d.exists()).map(PathBuf::from).collect();
    Book::make(dir).map_err(|e| {
        for d in &missing {
            let _ = std::fs::remove_dir(d);
        }
        failed(dir, MAKE, e)
    })
}
