//! The processes that the last signal of a service was for, kept beside the registry for people: a file a slot,
//! replaced whole.

use std::io;
use std::path::PathBuf;

use super::files::{FileRegistry, is_ours, make_ours};
use super::place::{hash, run_root};
use super::tracker::Tracker;
use crate::bpf::Paths;

/// How the files of a pin root begin.
pub(super) fn prefix(paths: &Paths) -> String {
    format!("last-{}-", hash(paths.root.as_os_str().as_encoded_bytes()))
}

/// Directory and name.
fn file(t: &Tracker, slot: u32) -> (PathBuf, String) {
    match t.in_files() {
        Some(f) => (f.dir().to_owned(), format!("last-{slot}")),
        None => (run_root().root, format!("{}{slot}", prefix(&Paths::default()))),
    }
}

/// Keeps it.
///
/// # Errors
/// There is no place for it.
pub fn keep(t: &Tracker, slot: u32, bytes: &[u8]) -> io::Result<()> {
    let (dir, name) = file(t, slot);
    make_ours(&dir)?;
    FileRegistry::at(dir).put(&name, bytes)
}

/// What is kept of a slot, whichever root had it.
pub fn kept(t: &Tracker, slot: u32) -> Option<Vec<u8>> {
    let (dir, name) = file(t, slot);
    is_ours(&dir).ok()?;
    std::fs::read(dir.join(name)).ok()
}

/// The service has gone on in another slot, and what is kept goes with it.
///
/// # Errors
/// It cannot be moved: then what was kept of the other slot is there still, of another service.
pub fn go_on(t: &Tracker, from: u32, to: u32) -> io::Result<()> {
    let ((dir, from), (_, to)) = (file(t, from), file(t, to));
    match is_ours(&dir).and_then(|()| std::fs::rename(dir.join(from), dir.join(to))) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Lets it go.
pub fn drop(t: &Tracker, slot: u32) {
    let (dir, name) = file(t, slot);
    let _ = std::fs::remove_file(dir.join(name));
}
