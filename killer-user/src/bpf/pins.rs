//! Where the tracker is pinned, and the lock on it (docs/internals/PROTOCOL.md 10).

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use killer_common::ABI_VERSION;
use rustix::fs::{Mode, OFlags};

use crate::keep::{KeepError, What};
use crate::kernel::probe;
use crate::sys::entry::{self, Entry};
use crate::sys::proc;

/// Environment variable that moves the pins.
pub const PIN_ROOT: &str = "KILLER_PIN_ROOT";
const BPFFS: &str = "/sys/fs/bpf";

/// The places of one tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `${KILLER_PIN_ROOT:-/sys/fs/bpf/killer}`.
    pub root: PathBuf,
    /// True when the caller chose it.
    pub chosen: bool,
}

impl Default for Paths {
    fn default() -> Self {
        match std::env::var_os(PIN_ROOT).filter(|r| !r.is_empty()) {
            Some(r) => Self { root: r.into(), chosen: true },
            None => Self { root: Path::new(BPFFS).join("killer"), chosen: false },
        }
    }
}

impl Paths {
    /// The directory of this ABI version.
    pub fn version(&self) -> PathBuf {
        self.root.join(format!("v{ABI_VERSION}"))
    }

    /// Pins of other ABI versions beside ours.
    pub fn others(&self) -> Vec<String> {
        let ours = format!("v{ABI_VERSION}");
        let Ok(dir) = std::fs::read_dir(&self.root) else { return Vec::new() };
        let mut v: Vec<String> = dir
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| {
                *n != ours && n.len() > 1 && n.starts_with('v') && n[1..].bytes().all(|b| b.is_ascii_digit())
            })
            .collect();
        v.sort();
        v
    }

    /// Removes what a killed loader, or a killed trial, left: `tmp-PID` of processes that are gone.
    pub fn sweep(&self) {
        let Ok(dir) = std::fs::read_dir(&self.root) else { return };
        for e in dir.flatten() {
            let name = e.file_name();
            let Some(pid) = name.to_str().and_then(left_by) else {
                continue;
            };
            if pid == std::process::id() || !proc::exists(pid) {
                remove(&e.path());
            }
        }
    }

    /// Makes the root directory, on a bpffs that is mounted when it is missing.
    pub fn make(&self) -> Result<(), KeepError> {
        let at = existing(&self.root);
        if !probe::is_bpffs(&at) {
            if !self.root.starts_with(BPFFS) {
                return Err(self.no_bpffs("it is on another filesystem; choose a place below /sys/fs/bpf"));
            }
            if !Path::new(BPFFS).is_dir() {
                return Err(match probe::sys_mounted() {
                    true => self
                        .no_bpffs("/sys/fs/bpf does not exist: the kernel has no bpffs (CONFIG_BPF_SYSCALL)"),
                    false => KeepError::NoSys,
                });
            }
            nix::mount::mount(
                Some("bpf"),
                BPFFS,
                Some("bpf"),
                nix::mount::MsFlags::MS_NOSUID
                    | nix::mount::MsFlags::MS_NODEV
                    | nix::mount::MsFlags::MS_NOEXEC,
                Some("mode=700"),
            )
            .map_err(|e| match e {
                nix::errno::Errno::EPERM | nix::errno::Errno::EACCES => not_permitted("mount a bpffs"),
                e => self.no_bpffs(&format!("mount -t bpf bpf {BPFFS}: {}", e.desc())),
            })?;
        }
        match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(not_permitted("pin the tracker"));
            }
            Err(e) => {
                return Err(KeepError::Io { what: format!("mkdir {}", self.root.display()), source: e });
            }
        }
        let meta = std::fs::metadata(&self.root).what("stat of the pin root")?;
        if meta.uid() != 0 || meta.permissions().mode() & 0o077 != 0 {
            let _ = std::fs::set_permissions(&self.root, std::fs::Permissions::from_mode(0o700));
            let again = std::fs::metadata(&self.root).what("stat of the pin root")?;
            if again.uid() != rustix::process::geteuid().as_raw() || again.permissions().mode() & 0o077 != 0 {
                return Err(self.no_bpffs("the directory is open to others"));
            }
        }
        Ok(())
    }

    fn no_bpffs(&self, why: &str) -> KeepError {
        KeepError::NoBpffs { path: self.root.clone(), why: why.to_owned() }
    }
}

/// How the directory of a trial begins; its number follows.
pub(super) const TRIAL: &str = "trial-";

/// The process that made a directory for a while.
fn left_by(name: &str) -> Option<u32> {
    name.strip_prefix("tmp-").or_else(|| name.strip_prefix(TRIAL))?.parse().ok()
}

/// Runs `f` so that a bpffs which it mounts goes again, and nobody else sees it.
pub(super) fn on_trial<T: Send>(
    paths: &Paths,
    f: impl FnOnce() -> Result<T, KeepError> + Send,
) -> Result<T, KeepError> {
    use nix::mount::MsFlags;
    use nix::sched::CloneFlags;
    if probe::is_bpffs(&existing(&paths.root)) {
        return f();
    }
    let apart = || {
        nix::sched::unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
        nix::mount::mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
    };
    std::thread::scope(|s| {
        s.spawn(|| {
            apart().map_err(|_| not_permitted("mount a bpffs"))?;
            f()
        })
        .join()
        .unwrap_or_else(|_| Err(KeepError::NotLoaded))
    })
}

/// Removes a directory of pins; bpffs holds only pins and directories.
pub fn remove(dir: &Path) {
    if let Ok(entries) = std::fs::read_dir(dir) {
        for e in entries.flatten() {
            if e.file_type().is_ok_and(|t| t.is_dir()) {
                remove(&e.path());
            } else {
                let _ = std::fs::remove_file(e.path());
            }
        }
    }
    let _ = std::fs::remove_dir(dir);
}

fn existing(p: &Path) -> PathBuf {
    p.ancestors().find(|a| a.exists()).map_or_else(|| "/".into(), Path::to_path_buf)
}

/// The error for a lack of capabilities, with their names.
pub fn not_permitted(what: &'static str) -> KeepError {
    KeepError::NotPermitted { what, missing: probe::missing_caps() }
}

/// The exclusive lock on the registry, held while names, slots or pins change. It goes with the process.
#[derive(Debug)]
pub struct PinLock {
    dir: File,
}

impl Drop for PinLock {
    fn drop(&mut self) {
        // By hand: a child that is being launched holds the same open file until its exec.
        let _ = rustix::fs::flock(&self.dir, rustix::fs::FlockOperation::Unlock);
    }
}

impl PinLock {
    /// Waits for the lock.
    pub fn take(paths: &Paths) -> Result<Self, KeepError> {
        Self::locked(paths, rustix::fs::FlockOperation::LockExclusive)
    }

    /// Takes the lock; an error when somebody has it.
    pub fn take_now(paths: &Paths) -> Result<Self, KeepError> {
        Self::locked(paths, rustix::fs::FlockOperation::NonBlockingLockExclusive)
    }

    fn locked(paths: &Paths, how: rustix::fs::FlockOperation) -> Result<Self, KeepError> {
        let dir = File::from(
            rustix::fs::open(&paths.root, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .what("opening the pin root")?,
        );
        rustix::fs::flock(&dir, how).what("locking the pin root")?;
        Ok(Self { dir })
    }
}

/// Runs `f` in the mount namespace of PID 1, where the pins are (each bpffs mount is an instance of its own).
/// A thread of its own enters it, so that the caller's does not change; descriptors are shared.
pub fn in_host_mounts<T: Send>(
    paths: &Paths,
    f: impl FnOnce() -> Result<T, KeepError> + Send,
) -> Result<T, KeepError> {
    // The text of the link names the namespace. Nobody asks where the caller has chosen the place.
    let id = |whose: &str| entry::link(&format!("{whose}/ns/mnt")).ok();
    let elsewhere = || id("1").is_some_and(|init| id("self").as_ref() != Some(&init));
    if paths.chosen || !elsewhere() {
        return f();
    }
    std::thread::scope(|s| {
        s.spawn(|| {
            let ns =
                Entry::open(1).and_then(|e| e.file("ns/mnt")).what("opening the host's mount namespace")?;
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)
                .and_then(|()| nix::sched::setns(&ns, nix::sched::CloneFlags::CLONE_NEWNS))
                .map_err(|_| {
                    not_permitted("enter the host's mount namespace, where the tracker is pinned")
                })?;
            f()
        })
        .join()
        .unwrap_or_else(|_| Err(KeepError::NotLoaded))
    })
}
