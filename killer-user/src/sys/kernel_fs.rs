//! File systems of the kernel's own objects (cgroup v1, FUSE control), seen through mounts that are this program's own: over the
//! host's, a member that may mount puts another directory.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, UnmountFlags};

use super::entry;

/// `CGROUP_SUPER_MAGIC`, `include/uapi/linux/magic.h`
const CGROUP: u64 = 0x0027_e0eb;
/// `FUSE_CTL_SUPER_MAGIC`, `fs/fuse/control.c`
const FUSE_CTL: u64 = 0x6573_5543;
/// The values that are read are a few bytes; a list of processes can be long.
const LONGEST: usize = 4 << 20;

/// A directory of such a file system. It stays that object, whatever its path leads to afterwards.
#[derive(Debug)]
pub struct KernelDir(OwnedFd);

/// The root of the cgroup v1 hierarchy with these controllers, as `/proc/PID/cgroup` names them (`freezer`, `cpu,freezer`).
///
/// # Errors
/// The kernel's: there is no such hierarchy, or the caller may not look.
pub fn cgroup_v1(controllers: &str) -> io::Result<KernelDir> {
    let own = || -> io::Result<OwnedFd> {
        let fs = rustix::mount::fsopen("cgroup", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for word in controllers.split(',') {
            match word.strip_prefix("name=") {
                Some(name) => rustix::mount::fsconfig_set_string(fs.as_fd(), "name", name)?,
                None => rustix::mount::fsconfig_set_flag(fs.as_fd(), word)?,
            }
        }
        detached(&fs)
    };
    checked(own().or_else(|e| opened(&|k, o| is_hierarchy(controllers, k, o)).map_err(|_| e))?, CGROUP)
}

fn is_hierarchy(controllers: &str, kind: &str, options: &str) -> bool {
    let has = |word: &str| options.split(',').any(|o| o == word);
    kind == "cgroup" && controllers.split(',').all(has)
}

/// Where people find that hierarchy; the usual place when it is mounted nowhere.
pub fn place(controllers: &str) -> String {
    let at = mounted(&|k, o| is_hierarchy(controllers, k, o));
    at.unwrap_or_else(|_| "/sys/fs/cgroup/freezer".into())
}

/// The directory with a directory for each FUSE connection of this host.
///
/// # Errors
/// The kernel's: there is no FUSE, or the caller may not look.
pub fn fuse_connections() -> io::Result<KernelDir> {
    let own = || detached(&rustix::mount::fsopen("fusectl", FsOpenFlags::FSOPEN_CLOEXEC)?);
    checked(own().or_else(|e| opened(&|kind, _| kind == "fusectl").map_err(|_| e))?, FUSE_CTL)
}

fn detached(fs: &OwnedFd) -> io::Result<OwnedFd> {
    rustix::mount::fsconfig_create(fs.as_fd())?;
    let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, quiet)?)
}

/// Where one is mounted, for kernels before 5.2.
fn mounted(is: &dyn Fn(&str, &str) -> bool) -> io::Result<String> {
    let text = String::from_utf8_lossy(&entry::table("self/mountinfo")?).into_owned();
    let at = text.lines().find_map(|l| {
        let (before, after) = l.split_once(" - ")?;
        let mut words = after.split(' ');
        let (kind, _, options) = (words.next()?, words.next(), words.next()?);
        let path = before.split(' ').nth(4)?;
        (before.split(' ').nth(3) == Some("/") && is(kind, options)).then(|| path.to_owned())
    });
    at.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

fn opened(is: &dyn Fn(&str, &str) -> bool) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(mounted(is)?, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn checked(fd: OwnedFd, magic: u64) -> io::Result<KernelDir> {
    match rustix::fs::fstatfs(&fd)?.f_type as u64 == magic {
        true => Ok(KernelDir(fd)),
        false => Err(io::Error::other("another file system is mounted there")),
    }
}

fn open(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match rustix::fs::openat2(dir, path, flags, Mode::empty(), within) {
        // No such call: a path that leaves the directory is refused by the words of it.
        Err(rustix::io::Errno::NOSYS) if !path.split(|b| *b == b'/').any(|w| w == b"..") => {
            Ok(rustix::fs::openat(dir, path, flags, Mode::empty())?)
        }
        r => Ok(r?),
    }
}

impl AsFd for KernelDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl KernelDir {
    /// A directory below it; the path may begin with slashes, and an empty one is the directory itself.
    pub fn below(&self, path: &[u8]) -> io::Result<KernelDir> {
        let at = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
        let path = if at == path.len() { b"." } else { &path[at..] };
        open(self.0.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY).map(KernelDir)
    }

    /// A file in it, as text.
    pub fn read(&self, file: &str) -> io::Result<String> {
        let file = open(self.0.as_fd(), file.as_bytes(), OFlags::RDONLY)?;
        let (mut bytes, mut piece) = (Vec::new(), [const { MaybeUninit::<u8>::uninit() }; 4096]);
        loop {
            match rustix::io::read(&file, &mut piece) {
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
                Ok((read, _)) if read.is_empty() || bytes.len() > LONGEST => {
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                Ok((read, _)) => bytes.extend_from_slice(read),
            }
        }
    }

    /// Writes to a file in it.
    pub fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let file = open(self.0.as_fd(), file.as_bytes(), OFlags::WRONLY)?;
        rustix::io::write(&file, text.as_bytes())?;
        Ok(())
    }

    /// Names of the directories in it.
    pub fn directories(&self) -> io::Result<Vec<Vec<u8>>> {
        let dir = open(self.0.as_fd(), b".", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut found = Vec::new();
        for e in rustix::fs::Dir::new(dir)? {
            let e = e?;
            let name = e.file_name().to_bytes();
            if e.file_type() == rustix::fs::FileType::Directory && !matches!(name, b"." | b"..") {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }
}

/// Ends all requests of a network file system that is mounted there, and takes it away when nobody uses it: `umount -f`. It is done
/// in a thread: a dead server may hold it. `None`: that was not over in time.
pub fn unmount_by_force(at: std::path::PathBuf, most: std::time::Duration) -> Option<io::Result<()>> {
    let (tell, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let done = rustix::mount::unmount(&at, UnmountFlags::FORCE | UnmountFlags::NOFOLLOW);
        let _ = tell.send(done.map_err(io::Error::from));
    });
    hear.recv_timeout(most).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_it() {
        let etc =
            rustix::fs::open("/proc/self", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("one");
        let dir = KernelDir(etc);
        assert!(dir.below(b"//task").is_ok() && dir.below(b"").is_ok());
        assert!(
            dir.below(b"../..").is_err()
                && dir.below(b"task/../../..").is_err()
                && dir.below(b"cwd").is_err()
        );
        assert!(dir.read("stat").is_ok_and(|s| !s.is_empty()) && dir.read("../stat").is_err());
        assert!(!dir.below(b"task").expect("threads").directories().expect("threads").is_empty());
        assert!(checked(dir.0, CGROUP).is_err());
    }
}
