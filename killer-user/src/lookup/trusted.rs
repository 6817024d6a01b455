//! Files that only root can have put there: every step of the way to them is a directory of root's that nobody else may write. The way
//! is gone with open descriptors, so what was checked is what is opened, whatever happens to the path meanwhile.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Links on one way, as the kernel has it (`MAXSYMLINKS`, `include/linux/namei.h`).
const MOST_LINKS: u32 = 40;
/// A name that is a pipe or a terminal must not hold us.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::NOFOLLOW);
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Why a file is not to be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none, or something on the way is no directory.
    Missing(PathBuf),
    /// It belongs to somebody else.
    Owner(PathBuf, u32),
    /// Somebody else may write it.
    Writable(PathBuf, &'static str),
    /// It is another kind of file.
    Kind(PathBuf, &'static str),
    /// It was replaced, or written, while it was read.
    Changes(PathBuf),
    /// It has more bytes, or names, than are read.
    Large(PathBuf, usize),
    /// The kernel does not let us.
    Io(PathBuf, Errno),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(p) => write!(f, "{} is not there", p.display()),
            Self::Owner(p, uid) => write!(f, "{} belongs to uid {uid}, not to root", p.display()),
            Self::Writable(p, by) => write!(f, "{} is writable by {by}", p.display()),
            Self::Kind(p, is) => write!(f, "{} is {is}", p.display()),
            Self::Changes(p) => write!(f, "{} changes while it is read: try again", p.display()),
            Self::Large(p, most) => write!(f, "{} has more than {most} bytes or names", p.display()),
            Self::Io(p, e) => write!(f, "{}: {}", p.display(), std::io::Error::from(*e)),
        }
    }
}

/// What a file is, in words.
fn kind(t: FileType) -> &'static str {
    match t {
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        FileType::Symlink => "a link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}

/// Who else than root may write it; `None`: nobody. An access list shows in the bits of the group.
pub fn writable(st: &Stat) -> Option<&'static str> {
    match st.st_mode & 0o022 {
        0 => None,
        m if m & 0o002 != 0 => Some("everybody"),
        _ => Some("its group"),
    }
}

/// True when it is another file by now, or was written.
fn differs(a: &Stat, b: &Stat) -> bool {
    let of =
        |s: &Stat| (s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    of(a) != of(b)
}

/// Only root's.
fn root_s(st: &Stat, path: &Path) -> Result<(), Refused> {
    match (st.st_uid, writable(st)) {
        (0, None) => Ok(()),
        (0, Some(by)) => Err(Refused::Writable(path.into(), by)),
        (uid, _) => Err(Refused::Owner(path.into(), uid)),
    }
}

/// Where ways begin.
#[derive(Debug)]
pub struct Top {
    fd: OwnedFd,
    /// What stands before the paths below it, for people.
    at: PathBuf,
}

/// A directory or a file at the end of a way.
#[derive(Debug)]
pub struct Trusted {
    /// The directory itself, or that of the file (`O_PATH`).
    pub dir: OwnedFd,
    /// The name of a file in it; `None`: it is the directory that was looked for.
    pub name: Option<OsString>,
    /// As it is now.
    pub stat: Stat,
    /// Its path below the top, with no link in it.
    pub path: PathBuf,
}

impl Top {
    /// The root directory.
    pub fn host() -> Result<Self, Refused> {
        let root = Path::new("/");
        let fd = rustix::fs::open(root, LOOK | OFlags::DIRECTORY, Mode::empty())
            .map_err(|e| Refused::Io(root.into(), e))?;
        Ok(Self { fd, at: root.into() })
    }

    /// A directory in the place of the root directory: links go no higher.
    pub fn of(dir: &Path) -> Result<Self, Refused> {
        let d = Self::host()?.walk(dir)?;
        match d.name {
            None => Ok(Self { fd: d.dir, at: d.path }),
            Some(_) => Err(Refused::Kind(dir.into(), kind(FileType::from_raw_mode(d.stat.st_mode)))),
        }
    }

    /// A path below it as people see it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        self.at.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn again(&self) -> Result<OwnedFd, Refused> {
        self.fd
            .try_clone()
            .map_err(|e| Refused::Io(self.at.clone(), Errno::from_io_error(&e).unwrap_or(Errno::IO)))
    }

    /// Goes to a path, which may have links in it.
    pub fn walk(&self, path: &Path) -> Result<Trusted, Refused> {
        let mut way = vec![(self.again()?, PathBuf::from("/"))];
        let mut todo: VecDeque<OsString> = steps(path).collect();
        let mut links = 0;
        let mut stat = self.look(&way[0].0, OsStr::new("."), Path::new("/"))?.1;
        root_s(&stat, &self.at)?;
        while let Some(step) = todo.pop_front() {
            if step == ".." {
                way.truncate((way.len() - 1).max(1));
                continue;
            }
            let Some((here, at)) = way.last() else { break };
            let to = at.join(&step);
            let (fd, st) = self.look(here, &step, &to)?;
            match FileType::from_raw_mode(st.st_mode) {
                FileType::Symlink => {
                    // It has no mode of its own.
                    if st.st_uid != 0 {
                        return Err(Refused::Owner(self.shown(&to), st.st_uid));
                    }
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Refused::Io(self.shown(&to), Errno::LOOP));
                    }
                    // Of the very link that was looked at.
                    let target = rustix::fs::readlinkat(&fd, "", Vec::new())
                        .map_err(|e| Refused::Io(self.shown(&to), e))?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if target.is_absolute() {
                        way.truncate(1);
                    }
                    for s in steps(&target).collect::<Vec<_>>().into_iter().rev() {
                        todo.push_front(s);
                    }
                }
                FileType::Directory => {
                    root_s(&st, &self.shown(&to))?;
                    stat = st;
                    way.push((fd, to));
                }
                _ if !todo.is_empty() => return Err(Refused::Missing(self.shown(path))),
                _ => {
                    let dir = way.pop().map(|w| w.0).ok_or_else(|| Refused::Missing(self.shown(path)))?;
                    return Ok(Trusted { dir, name: Some(step), stat: st, path: to });
                }
            }
        }
        let (dir, path) = way.pop().ok_or_else(|| Refused::Missing(self.shown(path)))?;
        // After a step up it is the directory that counts, not the last one that was looked at.
        let stat = rustix::fs::fstat(&dir).unwrap_or(stat);
        Ok(Trusted { dir, name: None, stat, path })
    }

    fn look(&self, dir: &OwnedFd, name: &OsStr, path: &Path) -> Result<(OwnedFd, Stat), Refused> {
        let fd = rustix::fs::openat(dir, name, LOOK, Mode::empty()).map_err(|e| match e {
            Errno::NOENT | Errno::NOTDIR => Refused::Missing(self.shown(path)),
            e => Refused::Io(self.shown(path), e),
        })?;
        let st = rustix::fs::fstat(&fd).map_err(|e| Refused::Io(self.shown(path), e))?;
        Ok((fd, st))
    }
}

/// A file or a directory below `root` (mostly `/`), of which, and of every step to it, nobody but root can change anything.
///
/// # Errors
/// The first step that is not so.
pub fn open(root: &Path, path: &Path) -> Result<Trusted, Refused> {
    let top = Top::of(root)?;
    let end = top.walk(path)?;
    root_s(&end.stat, &top.shown(&end.path))?;
    match FileType::from_raw_mode(end.stat.st_mode) {
        FileType::Directory | FileType::RegularFile => Ok(end),
        is => Err(Refused::Kind(top.shown(&end.path), kind(is))),
    }
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|c| match c {
        Component::Normal(n) => Some(n.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

impl Trusted {
    /// Refuses a file that somebody else than root owns or may write.
    pub fn root_s(&self) -> Result<(), Refused> {
        root_s(&self.stat, &self.path)
    }

    /// True for a directory.
    pub fn is_dir(&self) -> bool {
        self.name.is_none()
    }

    /// True for a file that root may execute.
    pub fn is_program(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::RegularFile && self.stat.st_mode & 0o111 != 0
    }

    /// True for a file without content that an administrator has put there to say so: `/dev/null`.
    pub fn is_null(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::CharacterDevice
            && self.stat.st_rdev == rustix::fs::makedev(1, 3)
    }

    /// The whole text of a regular file of at most so many bytes.
    pub fn text(&self, most: usize) -> Result<Vec<u8>, Refused> {
        let (bytes, st) = self.begin(most + 1)?;
        if bytes.len() > most || st.st_size as u64 > most as u64 {
            return Err(Refused::Large(self.path.clone(), most));
        }
        Ok(bytes)
    }

    /// Its first bytes.
    pub fn head(&self, most: usize) -> Result<Vec<u8>, Refused> {
        self.begin(most).map(|b| b.0)
    }

    fn begin(&self, most: usize) -> Result<(Vec<u8>, Stat), Refused> {
        let is = FileType::from_raw_mode(self.stat.st_mode);
        let Some(name) = self.name.as_ref().filter(|_| is == FileType::RegularFile) else {
            return Err(Refused::Kind(self.path.clone(), kind(is)));
        };
        let io = |e: Errno| Refused::Io(self.path.clone(), e);
        let mut f = File::from(rustix::fs::openat(&self.dir, name, READ, Mode::empty()).map_err(io)?);
        if differs(&self.stat, &rustix::fs::fstat(&f).map_err(io)?) {
            return Err(Refused::Changes(self.path.clone()));
        }
        let mut bytes = Vec::new();
        let read = f.by_ref().take(most as u64).read_to_end(&mut bytes);
        read.map_err(|e| io(Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
        let after = rustix::fs::fstat(&f).map_err(io)?;
        match differs(&self.stat, &after) {
            true => Err(Refused::Changes(self.path.clone())),
            false => Ok((bytes, after)),
        }
    }

    /// The names in a directory, sorted; at most so many.
    pub fn names(&self, most: usize) -> Result<Vec<OsString>, Refused> {
        let io = |e: Errno| Refused::Io(self.path.clone(), e);
        if self.name.is_some() {
            return Err(Refused::Kind(self.path.clone(), kind(FileType::from_raw_mode(self.stat.st_mode))));
        }
        let dir = rustix::fs::openat(
            &self.dir,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let dir = dir.map_err(io)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(dir.as_fd()).map_err(io)? {
            let name = OsString::from_vec(entry.map_err(io)?.file_name().to_bytes().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
            if names.len() > most {
                return Err(Refused::Large(self.path.clone(), most));
            }
        }
        if differs(&self.stat, &rustix::fs::fstat(&dir).map_err(io)?) {
            return Err(Refused::Changes(self.path.clone()));
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
