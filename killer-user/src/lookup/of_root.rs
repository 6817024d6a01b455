//! Files that are run, or believed, for root: they and every directory on the way to them are root's, and nobody else
//! may write to any of these. What was found so stays so, whatever others do meanwhile: only root can change it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use thiserror::Error;

/// Why a file is not believed.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// Something on the way cannot be opened.
    #[error("{0}: {1}")]
    Open(PathBuf, std::io::Error),
    /// Another user's.
    #[error("{0} belongs to uid {1}, so that this user could choose what is run")]
    Owner(PathBuf, u32),
    /// Others may write to it.
    #[error("{0} is writable by {1}, so that others could choose what is run")]
    Writable(PathBuf, &'static str),
    /// Neither a directory on the way, nor a file at its end.
    #[error("{0} is {1}")]
    Kind(PathBuf, &'static str),
    /// Links without an end.
    #[error("{0}: there are too many links on the way")]
    Links(PathBuf),
}

/// As many links as the kernel follows (`fs/namei.c`, `MAXSYMLINKS`).
const LINKS: usize = 40;
const PATH: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What stands at the end of a path that can be trusted.
#[derive(Debug)]
pub struct Trusted {
    above: OwnedFd,
    name: OsString,
    stat: Stat,
}

impl Trusted {
    /// It is a directory.
    pub fn is_dir(&self) -> bool {
        kind(&self.stat) == FileType::Directory
    }

    /// It is a file that root may execute.
    pub fn is_program(&self) -> bool {
        kind(&self.stat) == FileType::RegularFile && self.stat.st_mode & 0o111 != 0
    }

    /// The beginning of a file, at most so long.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, most: usize) -> std::io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(rustix::fs::openat(&self.above, &self.name, flags, Mode::empty())?);
        let same = rustix::fs::fstat(&file)?;
        if (same.st_dev, same.st_ino) != (self.stat.st_dev, self.stat.st_ino) {
            return Err(std::io::Error::from_raw_os_error(libc::ESTALE));
        }
        let mut text = Vec::new();
        file.take(most as u64).read_to_end(&mut text)?;
        Ok(text)
    }
}

fn kind(s: &Stat) -> FileType {
    FileType::from_raw_mode(s.st_mode)
}

/// Who else may write to it. The group root has root only.
fn writers(s: &Stat) -> Option<&'static str> {
    match s.st_mode {
        m if m & 0o002 != 0 => Some("everybody"),
        m if m & 0o020 != 0 && s.st_gid != 0 => Some("its group"),
        _ => None,
    }
}

/// Opens a file or a directory below `root` (mostly `/`), with all links on the way, and looks at each step.
///
/// # Errors
/// The first step that cannot be trusted.
pub fn open(root: &Path, path: &Path) -> Result<Trusted, Untrusted> {
    let failed = |at: &Path, e: rustix::io::Errno| Untrusted::Open(at.to_owned(), e.into());
    let opened = |above: Option<&OwnedFd>, name: &OsStr, at: &Path| -> Result<(OwnedFd, Stat), Untrusted> {
        let fd = match above {
            Some(above) => rustix::fs::openat(above, name, PATH, Mode::empty()),
            None => rustix::fs::open(root, PATH, Mode::empty()),
        };
        let fd = fd.map_err(|e| failed(at, e))?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| failed(at, e))?;
        if stat.st_uid != 0 {
            return Err(Untrusted::Owner(at.to_owned(), stat.st_uid));
        }
        // A link has no mode of its own.
        match writers(&stat).filter(|_| kind(&stat) != FileType::Symlink) {
            Some(others) => Err(Untrusted::Writable(at.to_owned(), others)),
            None => Ok((fd, stat)),
        }
    };
    let mut todo: VecDeque<OsString> = steps(path).collect();
    let mut dirs = vec![(opened(None, OsStr::new(""), root)?, PathBuf::from("/"), OsString::from("."))];
    let mut links = 0;
    while let Some(step) = todo.pop_front() {
        if step == ".." {
            dirs.truncate((dirs.len() - 1).max(1));
            continue;
        }
        let ((above, above_stat), way, _) = &dirs[dirs.len() - 1];
        let at = way.join(&step);
        if kind(above_stat) != FileType::Directory {
            return Err(Untrusted::Kind(way.clone(), "no directory"));
        }
        let (fd, stat) = opened(Some(above), &step, &at)?;
        if kind(&stat) != FileType::Symlink {
            dirs.push(((fd, stat), at, step));
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(Untrusted::Links(at));
        }
        let to = rustix::fs::readlinkat(&fd, "", Vec::new()).map_err(|e| failed(&at, e))?;
        let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
        if to.is_absolute() {
            dirs.truncate(1);
        }
        for s in steps(&to).collect::<Vec<_>>().into_iter().rev() {
            todo.push_front(s);
        }
    }
    end(dirs)
}

/// What the walk has come to.
fn end(mut dirs: Vec<((OwnedFd, Stat), PathBuf, OsString)>) -> Result<Trusted, Untrusted> {
    let Some(((fd, stat), at, name)) = dirs.pop() else { return Err(Untrusted::Links(PathBuf::new())) };
    if !matches!(kind(&stat), FileType::Directory | FileType::RegularFile) {
        return Err(Untrusted::Kind(at, "neither a file nor a directory"));
    }
    let above = match dirs.pop() {
        Some(((above, _), ..)) => above,
        None => fd,
    };
    Ok(Trusted { above, name, stat })
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> {
    let words = path.as_os_str().as_bytes().split(|b| *b == b'/');
    words.filter(|w| !w.is_empty() && *w != b".").map(|w| OsStr::from_bytes(w).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Only root can make what is looked at here.
    fn root() -> Option<tempfile::TempDir> {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc/init.d");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("cron"), "#!/bin/sh\n").unwrap();
        set(&etc.join("cron"), 0o755);
        rustix::process::geteuid().is_root().then_some(dir)
    }

    fn why(root: &Path, path: &str) -> String {
        open(root, Path::new(path)).map_or_else(|e| e.to_string(), |_| "trusted".into())
    }

    #[test]
    fn every_step_is_looked_at() {
        let Some(dir) = root() else { return };
        let at = |p: &str| dir.path().join(p);
        let cron = open(dir.path(), Path::new("/etc/init.d/cron")).unwrap();
        assert!(cron.is_program() && !cron.is_dir());
        assert_eq!(cron.read(5).unwrap(), b"#!/bi");
        assert!(open(dir.path(), Path::new("/etc/init.d")).unwrap().is_dir());
        assert_eq!(why(dir.path(), "/"), "trusted");
        assert!(why(dir.path(), "/etc/init.d/none").contains("No such file"));
        assert!(why(dir.path(), "/etc/init.d/cron/x").contains("no directory"));
        for (step, path) in
            [("etc", "/etc is"), ("etc/init.d", "/etc/init.d is"), ("etc/init.d/cron", "cron is")]
        {
            set(&at(step), 0o777);
            let text = why(dir.path(), "/etc/init.d/cron");
            assert!(text.contains(path) && text.contains("everybody"), "{text}");
            set(&at(step), 0o755);
            chown(at(step), Some(4321), None).unwrap();
            assert!(why(dir.path(), "/etc/init.d/cron").contains("uid 4321"), "{step}");
            chown(at(step), Some(0), Some(4321)).unwrap();
            set(&at(step), 0o775);
            assert!(why(dir.path(), "/etc/init.d/cron").contains("its group"), "{step}");
            chown(at(step), Some(0), Some(0)).unwrap();
            assert_eq!(why(dir.path(), "/etc/init.d/cron"), "trusted");
        }
    }

    #[test]
    fn links_are_walked_below_the_root() {
        let Some(dir) = root() else { return };
        let at = |p: &str| dir.path().join(p);
        std::fs::create_dir(at("etc/rc.d")).unwrap();
        symlink("../init.d", at("etc/rc.d/init.d")).unwrap();
        symlink("/etc/rc.d/init.d/cron", at("etc/init.d/crond")).unwrap();
        assert_eq!(why(dir.path(), "/etc/init.d/crond"), "trusted");
        assert_eq!(why(dir.path(), "/../../etc/./init.d/crond"), "trusted");
        symlink("/etc/init.d/loop", at("etc/init.d/loop")).unwrap();
        assert!(why(dir.path(), "/etc/init.d/loop").contains("too many links"));
        // A link of somebody else's, which could lead elsewhere in a moment.
        rustix::fs::chownat(
            rustix::fs::CWD,
            at("etc/init.d/crond"),
            Some(rustix::fs::Uid::from_raw(4321)),
            None,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
        assert!(why(dir.path(), "/etc/init.d/crond").contains("uid 4321"));
        nix::unistd::mkfifo(&at("etc/init.d/fifo"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        assert!(why(dir.path(), "/etc/init.d/fifo").contains("neither a file"));
    }
}
