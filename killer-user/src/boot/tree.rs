//! A directory that is the root of a host, running or not: every path is looked up below it, links included, and a file is there
//! as a whole or not at all.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// What a file is called until it is whole. No init reads names with a dot in front; one that a dead `killer` has left is
/// replaced by the next.
const UNFINISHED: &str = ".killer-boot.tmp";
/// Bytes of the longest boot file that is looked at.
const MOST: u64 = 1 << 20;
/// How long another `killer` is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A root.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
    path: PathBuf,
    is_host: bool,
}

/// Held while the boot files of a root are changed, against a second `killer` that does the same. It is a lock on the root's
/// own `/etc`, so that nothing has to be written for it.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is the open file")] OwnedFd);

/// Directory and name of a path that is no directory itself.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

impl Tree {
    /// # Errors
    /// Those of open(2); ENOTDIR where it is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let (own, host) = (fs::fstat(&fd)?, fs::stat("/")?);
        let is_host = (own.st_dev, own.st_ino) == (host.st_dev, host.st_ino);
        Ok(Self { fd, path: path.to_owned(), is_host })
    }

    /// True for the root of the running host, of which programs may be asked.
    pub fn is_host(&self) -> bool {
        self.is_host
    }

    /// As people know a path in it.
    pub fn shown(&self, path: &str) -> String {
        self.path.join(path).display().to_string()
    }

    /// Opens below the root: a link that points to `/etc` means the `/etc` in there (openat2(2), Linux 5.6). The running
    /// host's own root needs no such care.
    fn at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let opened = match self.is_host() {
            true => fs::openat(&self.fd, path, flags, Mode::empty()),
            false => fs::openat2(&self.fd, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
        };
        opened.map_err(|e| match e {
            Errno::NOSYS => io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel cannot look paths up below another root (openat2, Linux 5.6)",
            ),
            e => e.into(),
        })
    }

    fn dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Is there something of this name, links followed?
    pub fn has(&self, path: &str) -> bool {
        self.at(path, OFlags::PATH).is_ok()
    }

    /// Is there a directory of this name?
    pub fn has_dir(&self, path: &str) -> bool {
        self.at(path, OFlags::PATH | OFlags::DIRECTORY).is_ok()
    }

    /// The text of a file; `None` where there is none.
    ///
    /// # Errors
    /// What is there is no regular file, is too long or no text, or cannot be read.
    pub fn read(&self, path: &str) -> io::Result<Option<String>> {
        let (dir, name) = split(path);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match self.dir(dir).and_then(|d| Ok(fs::openat(d, name, flags, Mode::empty())?)) {
            Ok(fd) => fd,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.raw_os_error() == Some(libc::ELOOP) => return Err(no_file("a link")),
            Err(e) => return Err(e),
        };
        let file = std::fs::File::from(fd);
        if !file.metadata()?.is_file() {
            return Err(no_file("no regular file"));
        }
        let mut text = String::new();
        if file.take(MOST + 1).read_to_string(&mut text)? as u64 > MOST {
            return Err(no_file("longer than any boot file"));
        }
        Ok(Some(text))
    }

    /// Where a link points to; `None` where there is none. Something else of this name is an error.
    ///
    /// # Errors
    /// EINVAL: it is no link; else those of readlink(2).
    pub fn link(&self, path: &str) -> io::Result<Option<String>> {
        let (dir, name) = split(path);
        let read = |d: OwnedFd| Ok(fs::readlinkat(d, name, Vec::new())?);
        match self.dir(dir).and_then(read) {
            Ok(to) => Ok(Some(to.to_string_lossy().into_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What a name is in the end: the last component after all links, for `/sbin/init`.
    pub fn real_name(&self, path: &str) -> Option<OsString> {
        let mut path = path.to_owned();
        for _ in 0..40 {
            match self.link(&path) {
                Ok(Some(to)) if to.starts_with('/') => path = to.trim_start_matches('/').to_owned(),
                Ok(Some(to)) => path = format!("{}/{to}", split(&path).0),
                _ => break,
            }
        }
        self.has(&path).then(|| split(&path).1.into())
    }

    /// Names in a directory, sorted; none where there is no directory.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(dir) = self.dir(path).and_then(|d| Ok(fs::Dir::new(d)?)) else { return Vec::new() };
        let name = |e: fs::DirEntry| e.file_name().to_str().ok().map(String::from);
        let mut names: Vec<String> =
            dir.flatten().filter_map(name).filter(|n| n != "." && n != "..").collect();
        names.sort();
        names
    }

    /// Writes a file: it is there whole and on the disk, or as it was. `mode` is for a new one; one that is there keeps its
    /// own, and its owner.
    ///
    /// # Errors
    /// Those of the file system: no space, read-only, not permitted.
    pub fn write(&self, path: &str, text: &str, mode: u32) -> io::Result<()> {
        let (dir, name) = split(path);
        self.make_dirs(dir)?;
        let dir = self.dir(dir)?;
        let before = fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let _ = fs::unlinkat(&dir, UNFINISHED, AtFlags::empty());
        let done = (|| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = fs::openat(&dir, UNFINISHED, flags, Mode::from_raw_mode(0o600))?;
            let mut file = std::fs::File::from(fd);
            file.write_all(text.as_bytes())?;
            if let Some(b) = before {
                let (uid, gid) = (rustix::fs::Uid::from_raw(b.st_uid), rustix::fs::Gid::from_raw(b.st_gid));
                fs::fchown(&file, Some(uid), Some(gid))?;
            }
            let mode = before.map_or(mode, |b| b.st_mode & 0o7777);
            fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            file.sync_all()?;
            fs::renameat(&dir, UNFINISHED, &dir, name)?;
            fs::fsync(&dir)?;
            Ok(())
        })();
        if done.is_err() {
            let _ = fs::unlinkat(&dir, UNFINISHED, AtFlags::empty());
        }
        done
    }

    /// Makes a link, in place of one that was there.
    ///
    /// # Errors
    /// As [`Tree::write`].
    pub fn make_link(&self, path: &str, to: &str) -> io::Result<()> {
        let (dir, name) = split(path);
        self.make_dirs(dir)?;
        let dir = self.dir(dir)?;
        let _ = fs::unlinkat(&dir, UNFINISHED, AtFlags::empty());
        fs::symlinkat(to, &dir, UNFINISHED)?;
        let done = fs::renameat(&dir, UNFINISHED, &dir, name).and_then(|()| fs::fsync(&dir));
        if done.is_err() {
            let _ = fs::unlinkat(&dir, UNFINISHED, AtFlags::empty());
        }
        Ok(done?)
    }

    /// Removes a file or a link; one that is not there is no error.
    ///
    /// # Errors
    /// As [`Tree::write`].
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let (dir, name) = split(path);
        let gone = |d: OwnedFd| Ok(fs::unlinkat(&d, name, AtFlags::empty()).and_then(|()| fs::fsync(&d))?);
        match self.dir(dir).and_then(gone) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Removes a directory where it is empty.
    pub fn remove_empty(&self, path: &str) {
        let (dir, name) = split(path);
        let _ = self.dir(dir).map(|d| fs::unlinkat(d, name, AtFlags::REMOVEDIR));
    }

    fn make_dirs(&self, path: &str) -> io::Result<()> {
        if path == "." || self.has_dir(path) {
            return Ok(());
        }
        let (above, name) = split(path);
        self.make_dirs(above)?;
        match fs::mkdirat(self.dir(above)?, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes the lock; waits for another `killer` for a while.
    ///
    /// # Errors
    /// EWOULDBLOCK: the other one has not ended in time.
    pub fn lock(&self) -> io::Result<Lock> {
        let fd = self.dir("etc").or_else(|_| self.dir("."))?;
        let end = Instant::now() + PATIENCE;
        loop {
            match fs::flock(fd.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(e) => return Err(e.into()),
                Ok(()) => return Ok(Lock(fd)),
            }
        }
    }
}

fn no_file(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is {what}"))
}
