//! A process's directory in /proc, seen through a mount of this program's own: over the host's /proc a member that
//! may mount puts another process's directory, or an empty one, and then it would look stopped, or gone.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use procfs::process::{Stat, Status};
use procfs::{FromBufRead, FromRead, ProcError};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::descriptors;

/// `PROC_SUPER_MAGIC`, `include/uapi/linux/magic.h`
const PROC_MAGIC: u64 = 0x9fa0;
/// `PROC_ROOT_INO`, `include/linux/proc_fs.h`
const ROOT_INODE: u64 = 1;
const DIR: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The root of a /proc. It is never closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Root {
    fd: i32,
    /// Nobody else can mount over it.
    own: bool,
    /// Its filesystem.
    dev: u32,
}

/// The one in use, packed; 0: none. No lock, which a fork could leave held.
static ROOT: AtomicU64 = AtomicU64::new(0);

/// No code of somebody else's runs in this process, which could close descriptors.
static OURS: AtomicBool = AtomicBool::new(false);

/// The process is the program's own.
pub fn is_the_programs() {
    OURS.store(true, Ordering::Relaxed);
}

impl Root {
    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is not -1. Only a process that closes all descriptors and goes on closes it; `get` looks whether
        // that was so.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    fn word(self) -> u64 {
        u64::from(self.dev) << 32 | u64::from(self.own) << 31 | self.fd as u64
    }

    fn of(word: u64) -> Root {
        Root { fd: (word & 0x7fff_ffff) as i32, own: word >> 31 & 1 != 0, dev: (word >> 32) as u32 }
    }

    /// The root in use. A process that has closed all descriptors and goes on has another file there, or none: then
    /// it is opened anew.
    fn get() -> io::Result<Root> {
        let word = ROOT.load(Ordering::Relaxed);
        let known = Root::of(word);
        let same = |s: rustix::fs::Stat| s.st_dev as u32 == known.dev && s.st_ino == ROOT_INODE;
        let untouched = || OURS.load(Ordering::Relaxed) && !descriptors::were_closed();
        let stays = || untouched() || rustix::fs::fstat(known.fd()).is_ok_and(same);
        if word != 0 && stays() {
            return Ok(known);
        }
        let (fd, own) = Root::open()?;
        let s = rustix::fs::fstat(&fd)?;
        // One of its own was made as a procfs.
        let is_proc = own || rustix::fs::fstatfs(&fd)?.f_type as u64 == PROC_MAGIC;
        if !is_proc || s.st_ino != ROOT_INODE {
            return Err(io::Error::other("no procfs is mounted at /proc"));
        }
        let made = Root { fd: fd.into_raw_fd(), own, dev: s.st_dev as u32 };
        ROOT.store(made.word(), Ordering::Relaxed);
        Ok(made)
    }

    fn open() -> io::Result<(OwnedFd, bool)> {
        let (fd, own) = match detached() {
            Ok(fd) => (fd, true),
            Err(e) if !cannot(&e) => return Err(e),
            Err(_) => match in_a_namespace() {
                Ok(fd) => (fd, true),
                Err(e) if !cannot(&e) => return Err(e),
                Err(_) => (rustix::fs::open("/proc", DIR, Mode::empty())?, false),
            },
        };
        // Numbers 0 to 2 are a service's.
        if fd.as_raw_fd() > 2 { Ok((fd, own)) } else { Ok((rustix::io::fcntl_dupfd_cloexec(fd, 3)?, own)) }
    }
}

/// True when a way is closed here for good. A failure that passes is no reason to take a worse one.
fn cannot(e: &io::Error) -> bool {
    let closed =
        [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::EINVAL, libc::ENODEV, libc::EBUSY, libc::ENOENT];
    e.raw_os_error().is_some_and(|e| closed.contains(&e))
}

/// A procfs of this PID namespace that is mounted nowhere (5.2+, CAP_SYS_ADMIN).
fn detached() -> io::Result<OwnedFd> {
    let fs = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(fs.as_fd())?;
    let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, quiet)?)
}

/// The same before 5.2: mounted in a namespace that ends with the thread that made it, while the descriptor stays.
fn in_a_namespace() -> io::Result<OwnedFd> {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    if rustix::process::geteuid().as_raw() != 0 {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    std::thread::scope(|s| {
        let thread = s.spawn(|| -> io::Result<OwnedFd> {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            mount("proc", "/proc", "proc", MountFlags::empty(), None)?;
            Ok(rustix::fs::open("/proc", DIR, Mode::empty())?)
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread has failed")))
    })
}

/// Opens below a directory without crossing a mount, where the kernel can tell (5.6+).
fn below(dir: BorrowedFd<'_>, path: &str, flags: OFlags, own: bool) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    if !own {
        match rustix::fs::openat2(dir, path, flags, Mode::empty(), ResolveFlags::NO_XDEV) {
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
            r => return Ok(r?),
        }
    }
    Ok(rustix::fs::openat(dir, path, flags, Mode::empty())?)
}

/// A file of /proc that is one record (stat, status, a sysctl), by its path below that.
pub fn record(path: &str) -> io::Result<Vec<u8>> {
    let root = Root::get()?;
    whole(below(root.fd(), path, OFlags::RDONLY, root.own)?, true)
}

/// A file of /proc that is a table, by its path below that.
pub fn table(path: &str) -> io::Result<Vec<u8>> {
    let root = Root::get()?;
    whole(below(root.fd(), path, OFlags::RDONLY, root.own)?, false)
}

/// Where a link of /proc leads, by its path below that.
pub fn link(path: &str) -> io::Result<PathBuf> {
    let root = Root::get()?;
    match path.rsplit_once('/').filter(|_| !root.own) {
        Some((dir, name)) => target(below(root.fd(), dir, DIR, false)?.as_fd(), name),
        None => target(root.fd(), path),
    }
}

/// Numbers of all processes.
pub fn everybody() -> io::Result<Vec<u32>> {
    let root = Root::get()?;
    numbers(below(root.fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY, root.own)?)
}

/// One that is one record (`record`) gives all that it has left to each read (`fs/seq_file.c:seq_read_iter`), so that
/// a short read was the last: a signal to ten processes reads a dozen.
fn whole(file: OwnedFd, record: bool) -> io::Result<Vec<u8>> {
    const PIECE: usize = 4096;
    let mut piece = [const { MaybeUninit::<u8>::uninit() }; PIECE];
    let mut bytes = Vec::new();
    loop {
        let read = match rustix::io::read(&file, &mut piece) {
            Err(rustix::io::Errno::INTR) => continue,
            r => &*r?.0,
        };
        let n = read.len();
        bytes.extend_from_slice(read);
        if n == 0 || record && n < PIECE {
            return Ok(bytes);
        }
    }
}

fn target(dir: BorrowedFd<'_>, path: &str) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = rustix::fs::readlinkat(dir, path, Vec::new())?.into_bytes();
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

fn numbers(dir: OwnedFd) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for e in rustix::fs::Dir::new(dir)? {
        found.extend(e?.file_name().to_str().ok().and_then(|n| n.parse::<u32>().ok()));
    }
    Ok(found)
}

fn parsed<T>(r: Result<T, ProcError>) -> io::Result<T> {
    r.map_err(io::Error::other)
}

/// The directory of a process or a thread. It stays that one's, whatever becomes of the number: once it is reaped,
/// what is read fails with ESRCH (`fs/proc/base.c`).
#[derive(Debug)]
pub struct Entry {
    dir: OwnedFd,
    number: u32,
    own: bool,
}

impl Entry {
    /// Opens a process's.
    ///
    /// # Errors
    /// ENOENT: there is none. EXDEV: something else is mounted there.
    pub fn open(pid: u32) -> io::Result<Entry> {
        let root = Root::get()?;
        let dir = below(root.fd(), &pid.to_string(), DIR, root.own)?;
        if !root.own && rustix::fs::fstat(&dir)?.st_dev as u32 != root.dev {
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        Ok(Entry { dir, number: pid, own: root.own })
    }

    /// The directory itself.
    pub fn into_fd(self) -> OwnedFd {
        self.dir
    }

    /// The same once more.
    pub fn again(&self) -> io::Result<Entry> {
        Ok(Entry { dir: self.dir.try_clone()?, number: self.number, own: self.own })
    }

    /// The directory, lent.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Opens a file of it, or a directory in it.
    pub fn open_file(&self, file: &str) -> io::Result<OwnedFd> {
        below(self.dir.as_fd(), file, OFlags::RDONLY, self.own)
    }

    /// A file of it in whole.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        whole(below(self.dir.as_fd(), file, OFlags::RDONLY, self.own)?, false)
    }

    /// The same of a file that is one record.
    pub fn record(&self, file: &str) -> io::Result<Vec<u8>> {
        whole(below(self.dir.as_fd(), file, OFlags::RDONLY, self.own)?, true)
    }

    /// The same as text; bytes that are none are replaced.
    pub fn text(&self, file: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(file)?).into_owned())
    }

    /// Its `stat`. EXDEV: it is another's.
    pub fn stat(&self) -> io::Result<Stat> {
        self.stat_as_it_is().map(|(s, _)| s)
    }

    /// The same, and its bytes: a name need not be text.
    pub fn stat_as_it_is(&self) -> io::Result<(Stat, Vec<u8>)> {
        let bytes = self.record("stat")?;
        let s = parsed(Stat::from_read(&bytes[..]))?;
        if s.pid as u32 == self.number {
            Ok((s, bytes))
        } else {
            Err(io::Error::from_raw_os_error(libc::EXDEV))
        }
    }

    /// Its `status`. EXDEV: it is another's.
    pub fn status(&self) -> io::Result<Status> {
        let text = self.record("status")?;
        let s = parsed(Status::from_buf_read(String::from_utf8_lossy(&text).as_bytes()))?;
        if s.pid as u32 == self.number { Ok(s) } else { Err(io::Error::from_raw_os_error(libc::EXDEV)) }
    }

    /// Numbers of its threads.
    pub fn threads(&self) -> io::Result<Vec<u32>> {
        numbers(below(self.dir.as_fd(), "task", OFlags::RDONLY | OFlags::DIRECTORY, self.own)?)
    }

    /// Numbers of its descriptors.
    pub fn descriptors(&self) -> io::Result<Vec<u32>> {
        numbers(below(self.dir.as_fd(), "fd", OFlags::RDONLY | OFlags::DIRECTORY, self.own)?)
    }

    /// One of its threads.
    pub fn thread(&self, tid: u32) -> io::Result<Entry> {
        let dir = below(self.dir.as_fd(), &format!("task/{tid}"), DIR, self.own)?;
        Ok(Entry { dir, number: tid, own: self.own })
    }

    /// Where one of its links leads.
    pub fn link(&self, name: &str) -> io::Result<PathBuf> {
        target(self.dir.as_fd(), name)
    }

    /// Opens what one of its links leads to.
    pub fn file(&self, name: &str) -> io::Result<std::fs::File> {
        Ok(rustix::fs::openat(&self.dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// Where its descriptors lead, at most so many of them.
    pub fn open_links(&self, most: usize) -> io::Result<Vec<PathBuf>> {
        let dir = below(self.dir.as_fd(), "fd", OFlags::RDONLY | OFlags::DIRECTORY, self.own)?;
        let all = numbers(dir.try_clone()?)?.into_iter().take(most);
        let of = |n: u32| match target(dir.as_fd(), &n.to_string()) {
            Err(e) if over(&e) => None,
            r => Some(r),
        };
        all.filter_map(of).collect()
    }

    /// A directory of links in it.
    pub fn links(&self, dir: &CStr) -> io::Result<Links> {
        Ok(Links { dir: rustix::fs::openat(&self.dir, dir, DIR, Mode::empty())? })
    }

    /// Owner of the directory: the effective user (`fs/proc/base.c:task_dump_owner`), root where it must not be dumped.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.dir)?.st_uid)
    }
}

/// Links of a process whose texts are kinds with numbers (`mnt:[4026531841]`), in a directory that is opened once for all.
#[derive(Debug)]
pub struct Links {
    dir: OwnedFd,
}

impl Links {
    /// The number in one of them. To follow it would make a file of nsfs each time, which takes several times as long.
    pub fn number(&self, name: &CStr) -> io::Result<u64> {
        let mut text = [0; 64];
        let n = rustix::fs::readlinkat_raw(&self.dir, name, &mut text[..])?;
        let digits = text[..n].strip_suffix(b"]").and_then(|t| t.rsplit(|b| *b == b'[').next());
        let number = digits.and_then(|d| str::from_utf8(d).ok()?.parse().ok());
        number.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

/// True when it is said that whose file it was has ended.
pub fn over(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let me = std::process::id();
        let e = Entry::open(me).expect("this process");
        assert_eq!(e.stat().expect("stat").pid as u32, me);
        assert_eq!(e.status().expect("status").tgid as u32, me);
        assert!(e.threads().expect("threads").contains(&me) && everybody().expect("all").contains(&me));
        assert_eq!(e.thread(me).expect("a thread").stat().expect("stat").pid as u32, me);
        assert_eq!(link("self").expect("a link").to_str(), Some(me.to_string().as_str()));
        assert!(over(&Entry::open(1 << 30).expect_err("nobody")));
        assert!(!record("self/status").expect("a record").is_empty());
    }

    /// Somebody has closed all descriptors, and another file has the number.
    #[test]
    fn a_root_that_was_closed() {
        let before = Root::get().expect("a root");
        ROOT.store(Root { dev: before.dev + 1, ..before }.word(), Ordering::Relaxed);
        assert!(Entry::open(std::process::id()).is_ok_and(|e| e.stat().is_ok()));
        ROOT.store(Root { fd: 900_000, ..before }.word(), Ordering::Relaxed);
        assert!(Entry::open(std::process::id()).is_ok_and(|e| e.stat().is_ok()));
        assert_eq!(Root::of(before.word()), before);
    }

    /// The way before 5.2.
    #[test]
    fn a_mount_whose_namespace_has_ended() {
        match in_a_namespace() {
            Err(e) => assert!(cannot(&e), "{e}"),
            Ok(root) => {
                let path = format!("{}/stat", std::process::id());
                let file = below(root.as_fd(), &path, OFlags::RDONLY, true).expect("an entry");
                assert!(!whole(file, true).expect("a record").is_empty());
            }
        }
    }
}
