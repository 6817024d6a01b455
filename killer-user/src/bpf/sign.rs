//! Which process holds the links of a directory of pins: a directory in it tells by its name, which has process and
//! start.

use std::path::Path;
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
