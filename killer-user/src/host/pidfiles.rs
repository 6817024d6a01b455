//! A pidfile goes with its service: when nobody is left of that, the number in it is nobody's, or soon another one's.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::record::{Heir, StopRecord};
use crate::lookup::{Root, pidfile};
use crate::tier::Tracker;

/// Removes the pidfile of a service that is empty by the kernel's count, when it names the main process that the service had.
/// Another number is another start's.
pub fn ended(t: &Tracker, root: &Root) {
    let kept = StopRecord::of(t, root.slot);
    let Some(path) = &kept.pidfile else { return };
    let mut numbers = vec![root.record.main_tgid];
    if let Heir::Guessed(p) | Heir::Named(p) = kept.heir {
        numbers.push(p.pid);
    }
    if let Err(e) = remove(path, &kept.owners(), &numbers) {
        log::info!("pidfile {} stays: {e}", path.display());
    }
}

/// Removes what was written for a process that has not run CMD.
pub fn not_started(path: &Path, pid: i32) {
    let owners = [0, rustix::process::geteuid().as_raw()];
    if let Err(e) = remove(path, &owners, &[pid as u32]) {
        log::info!("pidfile {} stays: {e}", path.display());
    }
}

/// It is looked at and removed below one directory, whatever somebody puts in that one's place meanwhile.
fn remove(path: &Path, owners: &[u32], numbers: &[u32]) -> Result<(), String> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let dir: OwnedFd =
        match rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            r => r.map_err(|e| e.to_string())?,
        };
    let found = match pidfile::named_at(&dir, name, owners) {
        Err(pidfile::PidfileError::Read(e)) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        r => r.map_err(|e| e.to_string())?,
    };
    if !numbers.contains(&found.pid) {
        return Err(format!("it names process {}", found.pid));
    }
    rustix::fs::unlinkat(&dir, name, AtFlags::empty()).map_err(|e| e.to_string())
}
