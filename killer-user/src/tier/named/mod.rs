//! The tier `named`: a cgroup v1 hierarchy of our own without controllers, a directory a root. The kernel's
//! inheritance of cgroups keeps the sets; nobody delegates this hierarchy, and nothing else uses it.
//!
//! "Empty" is `rmdir`, which the kernel refuses while a task of the directory has not come to `cgroup_exit` in
//! `do_exit` (`kernel/cgroup/cgroup.c:cgroup_destroy_locked`, `cgroup_is_populated`). Zombies do not count; a live
//! thread counts, also when its leader has ended; files are closed by then. A fork in flight counts, because its
//! creator does.

mod freezer;
mod hierarchy;
mod hold;
mod lingers;
mod port;
mod sets;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;

use killer_common::record::{B_MAIN, Member};

pub use hierarchy::missing;
use hierarchy::{Hierarchy, failed};

use super::files::{self, FileRegistry, RootFile};
use super::stopped::Stopped;
use super::{Place, seen};
use crate::keep::{KeepError, Sets, Slot};
use crate::kernel::probe;
use crate::sys::alive;
use crate::sys::entry::Entry;

/// The hierarchy and the registry of its roots.
#[derive(Debug)]
pub struct Named {
    files: FileRegistry,
    tree: Hierarchy,
    stopped: Stopped,
    freezing: freezer::Freezing,
    /// Times that a gate was closed by this process.
    closed: Cell<u32>,
}

/// Directory of the registry and the mount.
fn home(at: &Place) -> PathBuf {
    at.root.join(at.own.as_ref().map_or("named".into(), |o| format!("named-{o}")))
}

fn place(slot: u32, generation: u32) -> String {
    format!("s{slot}.{generation}")
}

/// Slot and generation of a directory of ours.
fn placed(path: &str) -> Option<(u32, u32)> {
    let (slot, generation) = path.rsplit('/').next()?.strip_prefix('s')?.split_once('.')?;
    Some((slot.parse().ok()?, generation.parse().ok()?))
}

impl Named {
    /// Opens it where it has been made; `NotLoaded` elsewhere.
    pub fn open(at: &Place) -> Result<Self, KeepError> {
        let n = Self::over(files::open(&home(at).join("book"))?, at);
        // A hierarchy without processes need not be mounted by a caller that cannot mount.
        if !n.tree.is_mounted() && n.files.roots().is_empty() && missing().is_some() {
            return Err(KeepError::NotLoaded);
        }
        n.mounted()
    }

    /// Opens it, after making it when it is not there. A failed try leaves no directory.
    pub fn up(at: &Place) -> Result<Self, KeepError> {
        let dir = home(at);
        let fresh = !dir.join("book").exists();
        if fresh && let Some(why) = missing() {
            let missing = probe::missing_caps();
            return Err(match missing.is_empty() {
                true => KeepError::Kernel(format!("a named cgroup v1 hierarchy: {why}")),
                false => KeepError::NotPermitted { what: "mount a cgroup hierarchy", missing },
            });
        }
        let n = Self::over(files::make(&dir.join("book"))?, at);
        n.mounted().inspect_err(|_| {
            // Nobody else can have begun to use what cannot be mounted.
            if fresh {
                let _ = std::fs::remove_dir(dir.join("mnt"));
                let _ = std::fs::remove_dir_all(dir.join("book"));
                let _ = std::fs::remove_dir(&dir);
                let _ = std::fs::remove_dir(&at.root);
            }
        })
    }

    fn over(files: FileRegistry, at: &Place) -> Self {
        let tree = Hierarchy::at(at, home(at).join("mnt"));
        let freezing = freezer::Freezing::at(home(at).join("freezer"), tree.tag());
        Self { files, tree, stopped: Stopped::default(), freezing, closed: Cell::new(0) }
    }

    fn mounted(self) -> Result<Self, KeepError> {
        if !self.tree.is_mounted() {
            let _one_at_a_time = self.files.lock().map_err(|e| failed("lock the registry", e))?;
            self.tree.mounted()?;
        }
        Ok(self)
    }

    fn take_down(&self) -> Result<(), KeepError> {
        for (_, p) in self.files.roots().iter().filter(|(_, p)| p.freeze.0 != 0) {
            self.freezing.let_go(&p.place).map_err(|e| failed("let a frozen service go on", e))?;
        }
        self.freezing.unmount();
        let done = self.tree.unmount();
        let dir = self.files.dir();
        if done.is_err() {
            // Its directories are gone, and its services with them. The registry stays, empty: the next `down` finds it.
            return self.files.clear().and(done);
        }
        self.files.remove()?;
        if let Some(dir) = dir.parent() {
            let _ = std::fs::remove_dir(dir);
        }
        Ok(())
    }

    /// The hierarchy.
    pub fn tree(&self) -> &Hierarchy {
        &self.tree
    }

    /// True when it was made to be the cross-check of another tier.
    pub fn is_cross_check(at: &Place) -> bool {
        home(at).join("book/cross-check").exists()
    }

    /// Makes it the cross-check of another tier.
    pub fn be_cross_check(&self) -> Result<(), KeepError> {
        self.files.put("cross-check", b"").map_err(|e| failed("make the registry", e))
    }

    /// The root that a process is in.
    fn slot_of(&self, s: &seen::Seen) -> Option<(u32, RootFile)> {
        let at = alive::twice(|| Entry::open(s.pid))?;
        let mut path = self.tree.path_of(&at)?;
        if path.is_empty() && s.leader_dead {
            // A zombie's is the root (`kernel/cgroup/cgroup.c:proc_cgroup_show`); its threads say where they are.
            let threads = alive::twice(|| at.threads())?;
            let mut tasks = threads.into_iter().filter_map(|t| alive::twice(|| at.thread(t)));
            path = tasks.find_map(|t| self.tree.path_of(&t).filter(|p| !p.is_empty()))?;
        }
        let (slot, generation) = placed(&path)?;
        let root = self.files.root(slot);
        (root.generation == generation && root.place == path).then_some((slot, root))
    }

    /// Whether a process is in one of these roots, and not in another one that has the slot by now.
    fn is_in(&self, p: &seen::Seen, family: &[Slot]) -> bool {
        self.slot_of(p).is_some_and(|(slot, r)| family.contains(&Slot { slot, generation: r.generation }))
    }

    fn entry(&self, s: &seen::Seen, slot: u32, p: &RootFile) -> Member {
        let creator = seen::process(s.ppid).map_or(0, |c| c.start);
        seen::entry(s, slot, p.generation, p.flags(s.id()), creator)
    }

    /// True when the kernel says that nobody is in the directory; it is gone then, and nobody can come. With services
    /// inside it stays: the count of its own tasks, which the kernel takes under its lock, has to do.
    fn removed(&self, p: &RootFile) -> bool {
        self.tree.remove(&p.place).is_ok() || self.tree.has_inner(&p.place)
    }

    /// Stops a root and those inside it. Killed members make room for new ones (RLIMIT_NPROC); stopped ones do not.
    fn stop(&self, s: Slot) {
        let family = self.files.family(s);
        self.stopped.all(|_| {
            let mut new = false;
            for pid in self.listed(&|slot| family.iter().any(|s| s.slot == u32::from(slot))) {
                let known = |s: &seen::Seen| self.stopped.has(s.id());
                let Some(found) = seen::process(pid).filter(|s| !known(s)) else { continue };
                new |= self.is_in(&found, &family) && self.stopped.one(pid, |s| s.start == found.start);
            }
            new
        });
    }

    /// Puts a process into a root.
    pub fn join(&self, s: Slot, pid: u32) -> io::Result<()> {
        let p = self.files.root(s.slot);
        if p.generation != s.generation {
            return Err(io::Error::from_raw_os_error(libc::ESTALE));
        }
        self.tree.enter(pid, &p.place)
    }

    fn started(&self, s: Slot, flags: u32, pid: u32) -> io::Result<()> {
        let frozen = || Err(io::Error::from_raw_os_error(libc::EPERM));
        if self.is_frozen(s.slot) {
            return frozen();
        }
        self.join(s, pid)?;
        // A freeze that has begun meanwhile wrote that down before it looked for members: it has found this one, or is found here.
        if self.is_frozen(s.slot) {
            self.tree.enter(pid, "")?;
            self.freezing.let_out(pid);
            return frozen();
        }
        self.files.started(s, flags & B_MAIN != 0, seen::Id::now(pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(placed(&format!("{}/{}", place(3, 1), place(12, 7))), Some((12, 7)));
        assert_eq!(placed("a/b"), None);
        assert_eq!(placed(""), None);
    }
}
