//! What is remembered beside the pins: which services the programs kept. Pins can be unmounted or removed by hand,
//! and then nobody knows what is tracked; "nobody knows" is not "nothing".

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Paths;
use super::files::{FileRegistry, boot, is_ours, make_ours};
use super::place::{hash, run_root};

/// A service as it was last heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Its main process, 0: none.
    pub main: u32,
    /// Start of that, CLOCK_BOOTTIME ns.
    pub start: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// What is written in another boot says nothing.
    boot: String,
    pins: PathBuf,
    live: Vec<Kept>,
}

/// Where it is, and how the files of a pin root begin: what follows is the version of its tracker.
fn file(paths: &Paths) -> (PathBuf, String) {
    (run_root().root, format!("tracker-{}-", hash(paths.root.as_os_str().as_encoded_bytes())))
}

fn ours(paths: &Paths) -> String {
    paths.version().file_name().map_or(String::new(), |v| v.to_string_lossy().into_owned())
}

fn read(paths: &Paths, version: &str) -> Option<Memory> {
    let (dir, begin) = file(paths);
    let text = std::fs::read(dir.join(begin + version)).ok()?;
    let m: Memory = serde_json::from_slice(&text).ok()?;
    (m.pins == paths.root && m.boot == boot().ok()?).then_some(m)
}

/// Versions of which something is remembered and whose pins are not there.
fn gone(paths: &Paths) -> Vec<String> {
    let (dir, begin) = file(paths);
    if is_ours(&dir).is_err() {
        return Vec::new();
    }
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = files.filter_map(|e| Some(e.file_name().to_str()?.strip_prefix(&begin)?.to_owned()));
    let named: Vec<String> = names.filter(|v| v.starts_with('v')).collect();
    if named.is_empty() {
        return named;
    }
    let there = |v: &String| paths.root.join(v).try_exists().unwrap_or(true);
    let gone = crate::bpf::in_host_mounts(paths, || Ok(named.into_iter().filter(|v| !there(v)).collect()));
    gone.unwrap_or_default()
}

/// Notes which services the programs keep, as `live` finds them: under a lock, so that the call that has looked last
/// has written last.
///
/// # Errors
/// There is no place for it: a tracker whose pins are lost later is not missed then.
pub fn remember(paths: &Paths, live: impl FnOnce() -> Vec<Kept>) -> io::Result<()> {
    let (dir, begin) = file(paths);
    make_ours(&dir)?;
    let _lock = FileRegistry::at(dir.clone()).lock()?;
    let live = live();
    if read(paths, &ours(paths)).is_some_and(|b| b.live == live) {
        return Ok(());
    }
    let m = Memory { boot: boot()?, pins: paths.root.clone(), live };
    FileRegistry::at(dir).put(&(begin + &ours(paths)), &serde_json::to_vec(&m)?)
}

/// Services that a tracker kept whose pins are not there any more; none: nothing was lost.
pub fn lost(paths: &Paths) -> Vec<Kept> {
    gone(paths).iter().filter_map(|v| read(paths, v)).flat_map(|m| m.live).collect()
}

/// What is not pinned any more is not kept: it was taken down, or somebody has taken note of its loss.
pub fn forget(paths: &Paths) {
    let (dir, begin) = file(paths);
    let gone_whole = !paths.version().exists();
    for v in gone(paths) {
        let _ = std::fs::remove_file(dir.join(format!("{begin}{v}")));
    }
    // The processes that its last signals were for, and what a `killer` left that was killed while it wrote.
    let last = super::last_signal::prefix(paths);
    let of = |n: &str| match n.strip_prefix('.') {
        Some(n) => n.starts_with(&begin) || n.starts_with(&last),
        None => n.starts_with(&last) && gone_whole,
    };
    for e in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        if e.file_name().to_str().is_some_and(of) {
            let _ = std::fs::remove_file(e.path());
        }
    }
    // Only an empty directory goes.
    let _ = std::fs::remove_dir(dir);
}
