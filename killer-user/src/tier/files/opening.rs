//! Opening and making a registry in files.

use std::io;
use std::path::{Path, PathBuf};

use super::registry::FileRegistry;
use crate::keep::KeepError;
use crate::kernel::probe;

/// The error for a step of making or opening a registry: the place, not the privilege, is to blame where it is the place.
pub fn failed(dir: &Path, what: &'static str, e: io::Error) -> KeepError {
    let words = |e: &io::Error| match e.raw_os_error() {
        Some(n) => nix::errno::Errno::from_raw(n).desc().to_owned(),
        None => e.to_string(),
    };
    // What was found there is told in words of our own.
    let ours = e.raw_os_error().is_none();
    match e.kind() {
        _ if ours => KeepError::NoPlace { path: dir.into(), why: words(&e) },
        io::ErrorKind::PermissionDenied if what != MAKE && !probe::missing_caps().is_empty() => {
            KeepError::NotPermitted { what, missing: probe::missing_caps() }
        }
        _ => KeepError::NoPlace { path: dir.into(), why: words(&e) },
    }
}

/// For [`failed`]: the registry is to be made.
const MAKE: &str = "make the registry";

/// A registry that is there.
pub fn open(dir: &Path) -> Result<FileRegistry, KeepError> {
    let found = FileRegistry::open(dir).map_err(|e| failed(dir, "open the registry", e))?;
    found.ok_or(KeepError::NotLoaded)
}

/// The same, made when it is not there. A failed try leaves no directory.
pub fn make(dir: &Path) -> Result<FileRegistry, KeepError> {
    let missing: Vec<PathBuf> = dir.ancestors().take_while(|d| !d.exists()).map(PathBuf::from).collect();
    FileRegistry::make(dir).map_err(|e| {
        for d in &missing {
            let _ = std::fs::remove_dir(d);
        }
        failed(dir, MAKE, e)
    })
}
