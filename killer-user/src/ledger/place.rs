//! The directory of the ledger and the names in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// Environment variable that moves it.
const VARIABLE: &str = "KILLER_RECEIPTS";
/// Root's.
const ROOTS: &str = "/var/lib/killer";
/// The file that is written.
pub const CURRENT: &str = "receipts.ndjson";
/// Full ones: `receipts-N.ndjson`, where N is the number of the last line.
const FULL: (&str, &str) = ("receipts-", ".ndjson");
const LOCK: &str = "lock";
/// How long another killer may write.
const PATIENCE: Duration = Duration::from_secs(5);

const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Where a caller's receipts go. The error is text.
pub fn usual() -> Result<PathBuf, String> {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = variable(VARIABLE) {
        return Ok(dir);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(ROOTS.into());
    }
    let state = variable("XDG_STATE_HOME").filter(|p| p.is_absolute());
    let home = || variable("HOME").filter(|p| p.is_absolute()).map(|h| h.join(".local/state"));
    let state = state.or_else(home).ok_or("there is no place for a user's receipts: HOME is not set")?;
    Ok(state.join("killer"))
}

/// The name of a full file whose last line has this number.
pub fn full(last: u64) -> String {
    format!("{}{last:012}{}", FULL.0, FULL.1)
}

/// The number in such a name.
fn last_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(FULL.0)?.strip_suffix(FULL.1)?;
    let plain = digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|n| plain && full(*n) == name)
}

/// The directory, opened.
#[derive(Debug)]
pub struct Place {
    /// Its path, for people.
    pub path: PathBuf,
    dir: OwnedFd,
}

/// Held until it is dropped: nobody else writes.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held")] File);

impl Place {
    /// Opens the caller's own, which is made when it is not there: it is his alone to write.
    ///
    /// # Errors
    /// The kernel's, or in words what is wrong with it.
    pub fn own() -> io::Result<Self> {
        let path = usual().map_err(io::Error::other)?;
        let place = match Self::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if let Some(above) = path.parent() {
                    std::fs::create_dir_all(above)?;
                }
                // Two may come at once.
                match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                    Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                    _ => Self::open(&path)?,
                }
            }
            r => r?,
        };
        let st = rustix::fs::fstat(&place.dir)?;
        let own = rustix::process::geteuid().as_raw();
        if st.st_uid != own {
            return Err(io::Error::other(format!("it belongs to uid {}, not to {own}", st.st_uid)));
        }
        if st.st_mode & 0o022 != 0 {
            return Err(io::Error::other(format!("others may write it (mode {:o})", st.st_mode & 0o777)));
        }
        Ok(place)
    }

    /// Opens any, to read it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { path: path.to_owned(), dir })
    }

    /// Waits for the lock, not for ever: a killer that is stopped may hold it.
    ///
    /// # Errors
    /// It was not free in time, and others.
    pub fn lock(&self) -> io::Result<Lock> {
        let file = self.file(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        let began = Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(file)),
                Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(Errno::WOULDBLOCK) => return Err(io::Error::other("another killer holds its lock")),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Opens a file of it.
    ///
    /// # Errors
    /// The kernel's, or it is no plain file.
    pub fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let fd = rustix::fs::openat(&self.dir, name, flags | FILE, Mode::RUSR | Mode::WUSR)?;
        let st = rustix::fs::fstat(fd.as_fd())?;
        if FileType::from_raw_mode(st.st_mode) != FileType::RegularFile {
            return Err(io::Error::other(format!("{name} is no plain file")));
        }
        Ok(fd.into())
    }

    /// The full files, oldest first, with the number of the last line of each.
    ///
    /// # Errors
    /// The kernel's.
    pub fn full(&self) -> io::Result<Vec<(u64, String)>> {
        let mut found = Vec::new();
        for e in rustix::fs::Dir::read_from(&self.dir)? {
            let e = e?;
            let name = e.file_name().to_str().ok().map(str::to_owned);
            found.extend(name.and_then(|n| Some((last_of(&n)?, n))));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Gives the current file its name as a full one.
    ///
    /// # Errors
    /// The kernel's; there may be such a file.
    pub fn close(&self, last: u64) -> io::Result<()> {
        let name = full(last);
        // Never over another one: `RENAME_NOREPLACE` is not everywhere, and the lock is held.
        match rustix::fs::statat(&self.dir, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(rustix::fs::renameat(&self.dir, CURRENT, &self.dir, &*name)?),
            Err(e) => Err(e.into()),
            Ok(_) => Err(io::Error::other(format!("{name} is there already"))),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    /// Names are as lasting as what is in the files.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.dir)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_full_files() {
        assert_eq!(full(17), "receipts-000000000017.ndjson");
        for n in [0, 17, 999_999_999_999, 1_000_000_000_000, u64::MAX] {
            assert_eq!(last_of(&full(n)), Some(n));
        }
        for name in [
            "receipts.ndjson",
            "receipts-17.ndjson",
            "receipts-0000000000017.ndjson",
            "receipts-00000000001a.ndjson",
            "lock",
        ] {
            assert_eq!(last_of(name), None, "{name}");
        }
    }
}
