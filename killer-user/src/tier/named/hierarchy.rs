//! The named cgroup v1 hierarchy: mounting, directories, the processes in them.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::lingers;
use crate::keep::KeepError;
use crate::kernel::probe;
use crate::sys::entry::Entry;
use crate::sys::{alive, proc};
use crate::tier::place::{Place, hash};

/// How long the kernel is given to let go of removed directories: somebody may wait for the dead late.
const MOST: Duration = Duration::from_secs(5);
/// Looks after each unmount: a hierarchy that is on its way out takes some time.
const LOOKS: u32 = 30;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The hierarchy.
#[derive(Debug)]
pub struct Hierarchy {
    mount: PathBuf,
    /// `name=` of it.
    tag: String,
}

/// Name of the hierarchy: a place of its own has a hierarchy of its own.
fn tag(at: &Place) -> String {
    match (&at.own, at.chosen) {
        (Some(own), _) => format!("killer-{own}"),
        (None, true) => format!("killer-{}", hash(at.root.as_os_str().as_encoded_bytes())),
        (None, false) => "killer".into(),
    }
}

/// What is missing here, as far as can be said without mounting.
pub fn missing() -> Option<String> {
    let read = |p: &str| std::fs::read_to_string(p).unwrap_or_default();
    if !rustix::process::geteuid().is_root() || probe::effective_caps() & (1 << 21) == 0 {
        return Some("mounting needs root and CAP_SYS_ADMIN".into());
    }
    if let Err(why) = proc::mounted() {
        return Some(why.into());
    }
    // kernel/cgroup/cgroup-v1.c: the filesystem comes with CONFIG_CGROUPS, `cgroup_no_v1=named` takes names away.
    if !read("/proc/filesystems").lines().any(|l| l.split_whitespace().last() == Some("cgroup")) {
        return Some("the kernel has no cgroup v1 filesystem".into());
    }
    let off = read("/proc/cmdline")
        .split_whitespace()
        .any(|w| w.strip_prefix("cgroup_no_v1=").is_some_and(|l| l.split(',').any(|x| x == "named")));
    off.then(|| "the kernel was booted with cgroup_no_v1=named".into())
}

/// True when the error says that a directory is not there any more.
pub fn no_such(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

impl Hierarchy {
    /// The hierarchy of a place, at a mount point of its own.
    pub fn at(place: &Place, mount: PathBuf) -> Self {
        Self { mount, tag: tag(place) }
    }

    /// Name of the hierarchy.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Mounts it, unless it is mounted. In another mount namespace it is the same one: the kernel knows it by its
    /// name. Under the lock of its registry.
    pub fn mounted(&self) -> Result<(), KeepError> {
        if self.mount.join("cgroup.procs").try_exists().map_err(|e| failed("look for the mount", e))? {
            return Ok(());
        }
        std::fs::create_dir_all(&self.mount).map_err(|e| failed("make the mount point", e))?;
        self.mount().map_err(|e| match e {
            rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
                failed("mount a cgroup hierarchy", io::ErrorKind::PermissionDenied.into())
            }
            e => KeepError::Kernel(format!(
                "a named cgroup v1 hierarchy (mount -t cgroup -o none,name={}: {})",
                self.tag,
                io::Error::from(e)
            )),
        })
    }

    fn mount(&self) -> rustix::io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let data = std::ffi::CString::new(format!("none,name={}", self.tag)).unwrap_or_default();
        mount("killer", &self.mount, "cgroup", flags, Some(&*data))
    }

    /// True when it is mounted here.
    pub fn is_mounted(&self) -> bool {
        self.mount.join("cgroup.procs").exists()
    }

    /// Takes it down. A process that lives on in a directory is no member any more.
    ///
    /// # Errors
    /// The kernel keeps it: says which process seems to be the reason, and what to do. It is unmounted then, and can
    /// be mounted again.
    pub fn unmount(&self) -> Result<(), KeepError> {
        self.clear(&self.mount);
        let gone = |e: rustix::io::Errno| match e {
            rustix::io::Errno::BUSY => lingers::open(&self.tag, &self.mount),
            e => KeepError::Io { what: format!("unmounting {}", self.mount.display()), source: e.into() },
        };
        unmount(&self.mount, UnmountFlags::empty()).map_err(gone)?;
        // The last unmount ends the hierarchy only when it has no directories
        // (`kernel/cgroup/cgroup.c:cgroup_kill_sb`), and a removed directory counts until the last process that was
        // in it has been waited for, and a worker has freed it. A later unmount may find none; one of another mount
        // namespace is the last, too.
        let end = Instant::now() + MOST;
        while !self.vanishes() {
            if Instant::now() >= end {
                return Err(lingers::kept(&self.tag, MOST));
            }
            self.mount().map_err(gone)?;
            unmount(&self.mount, UnmountFlags::empty()).map_err(gone)?;
        }
        let _ = std::fs::remove_dir(&self.mount);
        Ok(())
    }

    /// Waits a moment for the kernel to have no hierarchy of this name any more; false when it keeps it.
    fn vanishes(&self) -> bool {
        let key = format!(":name={}:", self.tag);
        (0..LOOKS).any(|n| {
            if n > 0 {
                std::thread::sleep(LOOK_AGAIN);
            }
            !std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|t| t.contains(&key))
        })
    }

    /// Empties and removes what is below a directory; as deep as services are nested.
    fn clear(&self, dir: &Path) {
        for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if e.file_type().is_ok_and(|t| t.is_dir()) {
                self.clear(&e.path());
                for pid in numbers(&e.path().join("cgroup.procs")).unwrap_or_default() {
                    let _ = self.enter(pid, "");
                }
                let _ = std::fs::remove_dir(e.path());
            }
        }
    }

    /// Makes a directory.
    pub fn make_place(&self, place: &str) -> io::Result<()> {
        match std::fs::create_dir(self.mount.join(place)) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => Ok(()),
        }
    }

    /// Processes of a directory; `None` when there is none.
    pub fn inside(&self, place: &str) -> Option<Vec<u32>> {
        self.numbers_of(place, "cgroup.procs").ok().flatten()
    }

    /// Numbers in a file of a directory; `None` when there is none. One that cannot be read has been noted.
    fn numbers_of(&self, place: &str, file: &str) -> io::Result<Option<Vec<u32>>> {
        match numbers(&self.mount.join(place).join(file)) {
            Ok(v) => Ok(Some(v)),
            Err(e) if no_such(&e) => Ok(None),
            Err(e) => {
                alive::note_blind();
                Err(e)
            }
        }
    }

    /// Removes a directory: the kernel refuses (EBUSY) while a task is in it. `Ok`: nobody is, and nobody can come.
    pub fn remove(&self, place: &str) -> io::Result<()> {
        match std::fs::remove_dir(self.mount.join(place)) {
            Err(e) if !no_such(&e) => Err(e),
            _ => Ok(()),
        }
    }

    /// Tasks of a directory, by the kernel's own list; `None` when there is none.
    ///
    /// # Errors
    /// The list cannot be read: nothing is known of it.
    pub fn tasks(&self, place: &str) -> io::Result<Option<i64>> {
        Ok(self.numbers_of(place, "tasks")?.map(|t| t.len() as i64))
    }

    /// True when there are directories inside.
    pub fn has_inner(&self, place: &str) -> bool {
        let inner = std::fs::read_dir(self.mount.join(place)).into_iter().flatten().flatten();
        inner.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).count() != 0
    }

    /// Moves a process, with all its threads.
    pub fn enter(&self, pid: u32, place: &str) -> io::Result<()> {
        std::fs::write(self.mount.join(place).join("cgroup.procs"), pid.to_string())
    }

    /// Directory of a task, below the mount; empty: none of ours.
    pub fn path_of(&self, task: &Entry) -> Option<String> {
        let text = alive::twice(|| task.text("cgroup"))?;
        let key = format!(":name={}:", self.tag);
        let path = text.lines().find_map(|l| l.split_once(&key).map(|x| x.1))?;
        Some(path.trim_start_matches('/').trim_end_matches(" (deleted)").to_owned())
    }
}

/// Numbers in a file of the kernel's, one a line.
fn numbers(path: &Path) -> io::Result<Vec<u32>> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().filter_map(|l| l.parse().ok()).filter(|&n| n != 0).collect())
}

/// The error for a step of making or opening it.
pub fn failed(what: &'static str, e: io::Error) -> KeepError {
    if e.kind() == ErrorKind::PermissionDenied || e.raw_os_error() == Some(libc::EPERM) {
        return KeepError::NotPermitted { what, missing: probe::missing_caps() };
    }
    KeepError::Io { what: what.to_owned(), source: e }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let at = |own: Option<&str>, chosen| Place { root: "/x".into(), own: own.map(Into::into), chosen };
        assert_eq!(tag(&at(None, false)), "killer");
        assert_eq!(tag(&at(Some("12"), false)), "killer-12");
        assert_eq!(tag(&at(None, true)).len(), 23);
    }
}
