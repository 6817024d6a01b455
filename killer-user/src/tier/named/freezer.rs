//! Holding a root of the tier `named` still: by the freezer of cgroup v1, which holds newborns, too, and sends no signal.
//!
//! A process is moved into a directory below the one of that hierarchy that it is in, whoever made it, and that directory is
//! frozen before: what comes into it is frozen as it comes (`kernel/cgroup/legacy_freezer.c:freezer_attach`), and so is what is
//! forked in it (`freezer_fork`). The way back is up one directory. Nothing of this is written down but in the kernel, so a
//! `killer` that dies in the middle leaves what the next call can undo.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::sys::alive;
use crate::sys::entry::Entry;

/// How long the processes may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How deep directories of others are looked through for ours.
const DEPTH: u32 = 32;

/// The hierarchy of the freezer, at a mount point of our own.
#[derive(Debug)]
pub struct Freezing {
    mount: PathBuf,
    /// Apart from other places: the name of our own hierarchy.
    tag: String,
}

/// What is missing for it, as far as can be said without mounting.
pub fn missing() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let on = text.lines().any(|l| {
        let words: Vec<&str> = l.split_whitespace().collect();
        words.first() == Some(&"freezer") && words.get(3) == Some(&"1")
    });
    (!on).then(|| {
        "this kernel has no freezer for cgroup v1 (CONFIG_CGROUP_FREEZER, cgroup_disable=freezer)".into()
    })
}

impl Freezing {
    /// At this mount point.
    pub fn at(mount: PathBuf, tag: &str) -> Self {
        Self { mount, tag: tag.to_owned() }
    }

    fn name(&self, place: &str) -> String {
        format!("{}.{}", self.tag, place.rsplit('/').next().unwrap_or(place))
    }

    fn mounted(&self) -> io::Result<()> {
        if self.mount.join("cgroup.procs").try_exists()? {
            return Ok(());
        }
        std::fs::create_dir_all(&self.mount)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("killer", &self.mount, "cgroup", flags, Some(c"freezer")).map_err(|e| {
            io::Error::other(format!(
                "the freezer of cgroup v1 cannot be mounted (mount -t cgroup -o freezer: {})",
                io::Error::from(e)
            ))
        })
    }

    /// Freezes the processes that `members` lists, until all of them are in frozen directories and none is new. `is_member` is asked
    /// once a process is in: one that has a member's number and is none goes back at once.
    ///
    /// # Errors
    /// The freezer cannot be had, or a process cannot be moved. What is frozen by then stays so: [`Self::let_go`].
    pub fn hold(
        &self,
        place: &str,
        members: &dyn Fn() -> Vec<u32>,
        is_member: &dyn Fn(u32) -> bool,
    ) -> io::Result<()> {
        self.mounted()?;
        let name = self.name(place);
        let end = Instant::now() + PATIENCE;
        let mut quiet = 0;
        while quiet < 2 && Instant::now() < end {
            let mut new = 0;
            for pid in members() {
                // One that has ended meanwhile is in no directory.
                let Some(at) = path_of(pid).filter(|p| !p.ends_with(&name)) else { continue };
                let dir = self.mount.join(at.strip_prefix("/").unwrap_or(&at));
                let held = dir.join(&name);
                match std::fs::create_dir(&held) {
                    Ok(()) => std::fs::write(held.join("freezer.state"), "FROZEN")?,
                    Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                        std::fs::write(held.join("freezer.state"), "FROZEN")?;
                    }
                    Err(e) => return Err(e),
                }
                match enter(&held, pid) {
                    Ok(true) if !is_member(pid) => {
                        enter(&dir, pid)?;
                    }
                    Ok(moved) => new += u32::from(moved),
                    Err(e) => return Err(e),
                }
            }
            quiet = if new == 0 { quiet + 1 } else { 0 };
        }
        for dir in self.places(&name) {
            while !is_frozen(&dir) && Instant::now() < end {
                std::thread::sleep(LOOK_AGAIN);
            }
        }
        Ok(())
    }

    /// Lets everybody of a place go on, where they were.
    ///
    /// # Errors
    /// Some are still held.
    pub fn let_go(&self, place: &str) -> io::Result<()> {
        if !self.mount.join("cgroup.procs").exists() {
            // In another mount namespace it may have been mounted and used; here it has not.
            if missing().is_some() {
                return Ok(());
            }
            self.mounted()?;
        }
        for dir in self.places(&self.name(place)) {
            let above = dir.parent().unwrap_or(&self.mount).to_owned();
            std::fs::write(dir.join("freezer.state"), "THAWED")?;
            let end = Instant::now() + PATIENCE;
            // A process that is forked meanwhile is in the directory, too.
            while let Err(e) = std::fs::remove_dir(&dir) {
                if e.kind() == ErrorKind::NotFound {
                    break;
                }
                if Instant::now() > end {
                    return Err(e);
                }
                for pid in numbers(&dir) {
                    let _ = enter(&above, pid);
                }
            }
        }
        Ok(())
    }

    /// Lets one process out of a frozen directory of ours, if it is in one.
    pub fn let_out(&self, pid: u32) {
        let ours = format!("{}.", self.tag);
        let is_ours = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&ours));
        if let Some(at) = path_of(pid).filter(is_ours) {
            let above = at.parent().unwrap_or(&at);
            let _ = enter(&self.mount.join(above.strip_prefix("/").unwrap_or(above)), pid);
        }
    }

    /// True when a process is in a frozen directory of this place.
    pub fn holds(&self, place: &str, pid: u32) -> bool {
        let name = self.name(place);
        let Some(at) = path_of(pid).filter(|p| p.ends_with(&name)) else { return false };
        is_frozen(&self.mount.join(at.strip_prefix("/").unwrap_or(&at)))
    }

    /// Takes the mount away.
    pub fn unmount(&self) {
        let _ = unmount(&self.mount, UnmountFlags::DETACH);
        let _ = std::fs::remove_dir(&self.mount);
    }

    /// Our directories of this name, wherever they are.
    fn places(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        below(&self.mount, name, DEPTH, &mut found);
        found
    }
}

fn below(dir: &Path, name: &str, depth: u32, found: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if !e.file_type().is_ok_and(|t| t.is_dir()) {
            continue;
        }
        match e.file_name().to_str() == Some(name) {
            true => found.push(e.path()),
            false if depth > 0 => below(&e.path(), name, depth - 1, found),
            false => {}
        }
    }
}

/// Where a process is in that hierarchy; `None`: it has ended, or there is none.
fn path_of(pid: u32) -> Option<PathBuf> {
    let text = alive::twice(|| Entry::open(pid)?.text("cgroup"))?;
    frozen_path(&text)
}

/// `ID:freezer:/path` of /proc/PID/cgroup.
fn frozen_path(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|l| {
        let (_, rest) = l.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|c| c == "freezer").then(|| PathBuf::from(path))
    })
}

/// The kernel says so when every task of it is at rest; until then it is FREEZING.
fn is_frozen(dir: &Path) -> bool {
    std::fs::read_to_string(dir.join("freezer.state")).is_ok_and(|s| s.trim() == "FROZEN")
}

/// Moves a process; false: it has ended.
fn enter(dir: &Path, pid: u32) -> io::Result<bool> {
    match std::fs::write(dir.join("cgroup.procs"), pid.to_string()) {
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        done => done.map(|()| true),
    }
}

fn numbers(dir: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|l| l.parse().ok()).filter(|n| *n != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let text = "7:blkio:/a\n6:freezer:/docker/12:3\n0::/\n";
        assert_eq!(frozen_path(text), Some("/docker/12:3".into()));
        assert_eq!(frozen_path("3:cpu,freezer:/\n"), Some("/".into()));
        assert_eq!(frozen_path("0::/x\nnonsense"), None);
        let f = Freezing::at("/x".into(), "killer-1");
        assert_eq!(f.name("s1.2/s3.4"), "killer-1.s3.4");
    }
}
