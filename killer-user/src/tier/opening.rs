//! Opening and making a registry in files.

use std::io;
use std::path::{Path, PathBuf};

use super::book::Book;
use crate::keep::KeepError;
use crate::kernel::probe;

/// The error for a step of making or opening a registry: the place, not the privilege, is to blame where it is the place.
pub(super) fn failed(dir: &Path, what: &'static str, e: io::Error) -> KeepError {
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
pub(super) const MAKE: &str = "make the registry";

/// A registry that is there.
pub(super) fn open_book(dir: &Path) -> Result<Book, KeepError> {
    let book = Book::open(dir).map_err(|e| failed(dir, "open the registry", e))?;
    book.ok_or(KeepError::NotLoaded)
}

/// The same, made when it is not there. A failed try leaves no directory.
pub(super) fn make_book(dir: &Path) -> Result<Book, KeepError> {
    let missing: Vec<PathBuf> = dir.ancestors().take_while(|d| !d.exists()).map(PathBuf::from).collect();
    Book::make(dir).map_err(|e| {
        for d in &missing {
            let _ = std::fs::remove_dir(d);
        }
        failed(dir, MAKE, e)
    })
}
