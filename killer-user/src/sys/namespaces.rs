//! Which namespaces a process is in, each by its inode.

use std::cell::{OnceCell, RefCell};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::entry::{Entry, Links};

/// Namespaces beside the PID namespace: their names in /proc, and for people.
pub const NAMESPACES: [(&str, &str); 7] = [
    ("mnt", "mount namespace"),
    ("net", "network namespace"),
    ("user", "user namespace"),
    ("ipc", "IPC namespace"),
    ("uts", "UTS namespace"),
    ("cgroup", "cgroup namespace"),
    ("time", "time namespace"),
];

/// Inodes in the order of [`NAMESPACES`]; `None`: this kernel has no such one, the caller may not look, or nobody knows.
pub type Inodes = [Option<u64>; NAMESPACES.len()];

/// Inode of the PID namespace, and of the others.
pub type Seen = (Option<u64>, Inodes);

/// Name of the link in /proc, and number of the request (`include/uapi/linux/pidfd.h`, `PIDFD_GET_*_NAMESPACE`).
type Kind = (&'static CStr, u32);
const PID: Kind = (c"pid", 5);
const OTHERS: [Kind; NAMESPACES.len()] =
    [(c"mnt", 3), (c"net", 4), (c"user", 9), (c"ipc", 2), (c"uts", 10), (c"cgroup", 1), (c"time", 7)];

/// Those that are known of some names; others are left out.
pub fn inodes<'a>(of: impl IntoIterator<Item = (&'a str, u64)>) -> Inodes {
    let mut inodes = Inodes::default();
    for (name, inode) in of {
        if let Some(i) = NAMESPACES.iter().position(|(n, _)| *n == name) {
            inodes[i] = Some(inode);
        }
    }
    inodes
}

/// Namespaces that are kept open from one process to the next: the inode of one that nobody has open is made anew at each
/// look (`fs/libfs.c:path_from_stashed`), and most processes are in the same ones.
#[derive(Debug, Default)]
pub struct Held(RefCell<[Option<OwnedFd>; NAMESPACES.len() + 1]>);

impl Held {
    /// Those of a process; `pidfd`: one of the process that has its number, had before its entry was opened. Where a pidfd
    /// can be asked (6.11+) that takes a third of the time of the links of /proc, each of which becomes an inode of procfs
    /// first.
    pub fn namespaces(&self, e: &Entry, pidfd: Option<BorrowedFd<'_>>) -> Seen {
        let links = OnceCell::new();
        let one = |(i, (name, request)): (usize, Kind)| {
            // A pidfd whose process was reaped gives nothing any more: what it gives is of the process of the entry.
            if let Some(ns) = pidfd.and_then(|fd| open(fd, request).ok()) {
                let inode = rustix::fs::fstat(&ns).ok()?.st_ino;
                self.0.borrow_mut()[i] = Some(ns);
                return Some(inode);
            }
            let links: &Option<Links> = links.get_or_init(|| e.links(c"ns").ok());
            links.as_ref()?.number(name).ok()
        };
        let others = std::array::from_fn(|i| one((i, OTHERS[i])));
        (one((NAMESPACES.len(), PID)), others)
    }
}

/// This kernel gives no namespace by a pidfd.
static NONE: AtomicBool = AtomicBool::new(false);

/// True where it is worth to open a pidfd for that.
pub fn by_pidfd() -> bool {
    !NONE.load(Ordering::Relaxed)
}

/// A namespace of a pidfd's process (6.11+, `fs/pidfs.c:pidfd_ioctl`).
fn open(pidfd: BorrowedFd<'_>, request: u32) -> io::Result<OwnedFd> {
    /// `PIDFS_IOCTL_MAGIC`
    const MAGIC: u32 = 0xff;
    if !by_pidfd() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: `_IO(MAGIC, request)`; the argument has to be 0.
    let fd = unsafe { libc::ioctl(pidfd.as_raw_fd(), (MAGIC << 8 | request) as _, 0) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL | libc::EBADF)) {
            NONE.store(true, Ordering::Relaxed);
        }
        return Err(error);
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::proc;

    /// Both ways see what the links say.
    #[test]
    fn of_this_process() {
        let me = std::process::id();
        let pidfd = proc::pidfd_open(me).expect("a pidfd");
        let e = Entry::open(me).expect("this process");
        let held = Held::default();
        let (pid, others) = held.namespaces(&e, None);
        assert!(pid.is_some() && others[0].is_some());
        for _ in 0..2 {
            assert_eq!(held.namespaces(&e, Some(pidfd.as_fd())), (pid, others));
        }
        for (i, (name, _)) in NAMESPACES.into_iter().enumerate() {
            let link = std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
            let number = others[i].map(|n| format!("{name}:[{n}]"));
            assert_eq!(link.map(|l| l.display().to_string()), number);
            assert_eq!(OTHERS[i].0.to_str(), Ok(name));
        }
        assert_eq!(inodes(NAMESPACES.iter().zip(others).filter_map(|((n, _), i)| Some((*n, i?)))), others);
    }

    /// A process that has ended says nothing, by whatever way.
    #[test]
    fn of_nobody() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let pidfd = proc::pidfd_open(child.id()).expect("a pidfd");
        let e = Entry::open(child.id()).expect("an entry");
        child.wait().expect("its end");
        assert_eq!(Held::default().namespaces(&e, Some(pidfd.as_fd())), (None, Inodes::default()));
    }
}
