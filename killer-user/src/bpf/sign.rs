//! Which process holds the links of a directory of pins: a directory in it tells by its name, which has process and
//! start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keep::{KeepError, What};
use crate::sys::{alive, proc};

/// A directory of this name with process and start says which process holds the links of a version directory.
const SIGN: &str = "keeper-";

/// Notes this process as the keeper of a directory of pins.
pub fn note(dir: &Path) -> Result<(), KeepError> {
    let me = std::process::id();
    let name = format!("{SIGN}{me}-{}", alive::start_of(me).unwrap_or_default());
    std::fs::create_dir(dir.join(name)).what("noting the keeper")
}

/// The process that a directory names: number, and start in clock ticks.
struct Signed {
    pid: u32,
    start: u64,
}

fn signed(dir: &Path) -> Option<Signed> {
    std::fs::read_dir(dir).ok()?.flatten().find_map(|e| {
        let name = e.file_name().into_string().ok()?;
        let (pid, start) = name.strip_prefix(SIGN)?.split_once('-')?;
        Some(Signed { pid: pid.parse().ok()?, start: start.parse().ok()? })
    })
}

/// A process that cannot be looked at is not known to have ended.
fn lives(pid: u32, start: u64) -> bool {
    alive::start_of(pid).map_or_else(|| matches!(alive::look(pid, 0), alive::Look::Unknown), |s| s == start)
}

/// Whether the keeper of a directory of pins lives; `None` where links are pinned.
pub fn alive(dir: &Path) -> Option<bool> {
    let Signed { pid, start } = signed(dir)?;
    Some(lives(pid, start))
}

/// Takes away what a keeper that has ended had noted.
pub fn withdraw(dir: &Path) {
    if let Some(Signed { pid, start }) = signed(dir) {
        let _ = std::fs::remove_dir(dir.join(format!("{SIGN}{pid}-{start}")));
    }
}

/// Ends the keeper of a directory of pins.
pub fn end(dir: &Path) {
    let Some(Signed { pid, start }) = signed(dir) else { return };
    if let Ok(fd) = proc::pidfd_open(pid)
        && alive::start_of(pid) == Some(start)
    {
        let _ = proc::pidfd_send(&fd, libc::SIGTERM, None);
        proc::pidfd_wait(&fd, Duration::from_secs(5));
    }
}

/// How a directory is called that says that a process watches, and has its programs behind the hooks.
const WATCHING: &str = "watching-";

/// One that watches, as long as it lives.
#[derive(Debug)]
pub struct Watching(PathBuf);

impl Watching {
    /// Notes this process as one that watches a directory of pins.
    pub fn note(dir: &Path) -> Result<Self, KeepError> {
        let me = std::process::id();
        let name = format!("{WATCHING}{me}-{}", alive::start_of(me).unwrap_or_default());
        let at = dir.join(name);
        match std::fs::create_dir(&at) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(e).what("noting that somebody watches")
            }
            _ => Ok(Self(at)),
        }
    }

    /// True when somebody watches a directory of pins. What the dead have noted goes.
    pub fn any(dir: &Path) -> bool {
        let mut any = false;
        for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = e.file_name();
            let who = name.to_str().and_then(|n| n.strip_prefix(WATCHING)?.split_once('-'));
            let Some((Ok(pid), Ok(start))) = who.map(|(p, s)| (p.parse(), s.parse())) else { continue };
            if lives(pid, start) {
                any = true;
            } else {
                let _ = std::fs::remove_dir(e.path());
            }
        }
        any
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
