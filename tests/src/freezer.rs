//! A freezer of cgroup v1: who is in it takes no signal, SIGKILL neither.

use crate::env::TestEnv;
use crate::process::eventually;
use std::time::Duration;

/// A directory of a freezer of cgroup v1, thawed and removed at the end: what is in it sleeps, uninterruptibly.
#[derive(Debug)]
pub struct Freezer(std::path::PathBuf, Option<std::path::PathBuf>);

impl Freezer {
    /// A new one; `None` where there is no such hierarchy.
    pub fn new(env: &TestEnv) -> Option<Freezer> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let is_freezer = |l: &&str| {
            let words: Vec<&str> = l.split(' ').collect();
            // Another test's goes when that one ends.
            let stays = !words[1].contains("/killer-test-");
            stays && words[2] == "cgroup" && words[3].split(',').any(|o| o == "freezer")
        };
        let (mount, own) = match mounts.lines().find(is_freezer).and_then(|l| l.split(' ').nth(1)) {
            Some(at) => (std::path::PathBuf::from(at), None),
            None => {
                let at = env.path("freezer");
                std::fs::create_dir(&at).ok()?;
                let none = rustix::mount::MountFlags::empty();
                rustix::mount::mount("none", &at, "cgroup", none, Some(c"freezer")).ok()?;
                (at.clone(), Some(at))
            }
        };
        let dir = mount.join(env.dir.path().file_name()?);
        std::fs::create_dir(&dir).ok()?;
        Some(Freezer(dir, own))
    }

    /// Freezes a process.
    #[track_caller]
    pub fn freeze(&self, pid: i32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("into the freezer");
        std::fs::write(self.0.join("freezer.state"), "FROZEN").expect("freeze");
        let state = || std::fs::read_to_string(self.0.join("freezer.state"));
        assert!(eventually(Duration::from_secs(5), || state().is_ok_and(|s| s.trim() == "FROZEN")));
    }

    /// Puts a process into it, as it is.
    #[track_caller]
    pub fn add(&self, pid: i32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("into the freezer");
    }

    /// Its directory.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// `FROZEN`, `FREEZING`, `THAWED`.
    pub fn state(&self) -> String {
        std::fs::read_to_string(self.0.join("freezer.state")).unwrap_or_default().trim().to_owned()
    }

    /// Thaws whom it has frozen.
    pub fn thaw(&self) {
        let _ = std::fs::write(self.0.join("freezer.state"), "THAWED");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        eventually(Duration::from_secs(2), || std::fs::remove_dir(&self.0).is_ok());
        if let Some(at) = &self.1 {
            let _ = rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH);
        }
    }
}
