//! Who else uses a file system: bounded in time; what was not looked at is said.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use crate::host::mounts;
use crate::sys::entry::{self, Entry};
use crate::sys::proc_text;

/// All of it takes so long at most.
const TIME: Duration = Duration::from_secs(2);
/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 16 * 1024;
/// So many are named.
const NAMED: usize = 8;

/// Processes of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// How many; `None`: not all could be looked at.
    pub others: Option<u64>,
    /// Some of them.
    pub names: Vec<String>,
}

/// `17 (sshd)`, with any byte.
pub fn named(pid: u32) -> String {
    format!("{pid} ({})", proc_text::shown(&proc_text::name(pid)))
}

/// Numbers of mounts of the file system, over all mount namespaces that were met.
#[derive(Default)]
struct Places {
    /// By mount namespace: number and path of each.
    by: BTreeMap<u64, Vec<(u64, Vec<u8>)>>,
}

impl Places {
    fn of(&mut self, e: &Entry, dev: (u32, u32)) -> Option<&Vec<(u64, Vec<u8>)>> {
        let ns = e.links(c"ns").ok()?.number(c"mnt").ok()?;
        Some(self.by.entry(ns).or_insert_with(|| {
            let all = mounts::of(e).into_iter().filter(|m| m.dev == dev);
            all.map(|m| (m.id, m.at)).collect()
        }))
    }
}

/// The path is on one of these mounts.
fn is_on(path: &[u8], of: &[(u64, Vec<u8>)]) -> bool {
    let below = |at: &[u8]| path.strip_prefix(at).is_some_and(|r| r.is_empty() || r[0] == b'/');
    of.iter().any(|(_, at)| below(at))
}

/// Whether a process has a file of it open, or stands in it. Only the kernel's own texts are read: nothing of the file system.
fn uses(e: &Entry, of: &[(u64, Vec<u8>)]) -> std::io::Result<bool> {
    if ["cwd", "root", "exe"].iter().any(|l| e.link(l).is_ok_and(|p| is_on(p.as_os_str().as_bytes(), of))) {
        return Ok(true);
    }
    for fd in e.descriptors()?.into_iter().take(DESCRIPTORS) {
        let on = mounts::of_descriptor(e, fd.into());
        if on.is_some_and(|id| of.iter().any(|(i, _)| *i == id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everybody but the family who uses the file system of that device.
pub fn of(dev: (u32, u32), family: &BTreeSet<u32>) -> Users {
    let began = Instant::now();
    let mut places = Places::default();
    let (mut found, mut complete) = (Users { others: Some(0), names: Vec::new() }, true);
    let Ok(all) = entry::everybody() else { return Users::default() };
    complete &= all.contains(&1);
    let own = std::process::id();
    for pid in all.into_iter().filter(|p| !family.contains(p) && *p != own) {
        if began.elapsed() > TIME {
            complete = false;
            break;
        }
        let seen = Entry::open(pid).and_then(|e| match places.of(&e, dev) {
            // It has ended, or is a kernel thread.
            None => Ok(false),
            Some(of) if of.is_empty() => Ok(false),
            Some(of) => uses(&e, of),
        });
        match seen {
            Ok(true) => {
                found.others = found.others.map(|n| n + 1);
                if found.names.len() < NAMED {
                    found.names.push(named(pid));
                }
            }
            Ok(false) => {}
            Err(e) if entry::over(&e) => {}
            Err(_) => complete = false,
        }
    }
    if complete { found } else { Users { others: None, ..found } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let of = [(1, b"/mnt/x".to_vec())];
        assert!(is_on(b"/mnt/x", &of) && is_on(b"/mnt/x/y", &of));
        assert!(!is_on(b"/mnt/xy", &of) && !is_on(b"/mnt", &of));
        assert!(is_on(b"/a", &[(1, b"".to_vec())]) && !is_on(b"/a", &[]));
    }
}
