//! Pidfiles: a number in a file that others may have written, of a process that may be another by now.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use super::process::{self, ProcessError};
use crate::ask::pidspec;
use crate::keep::Candidate;
use crate::sys::writers;

/// Why a pidfile was refused.
#[derive(Debug, Error)]
pub enum PidfileError {
    /// It could not be read.
    #[error("cannot read pidfile: {0}")]
    Read(std::io::Error),
    /// Not a regular file.
    #[error("pidfile is not a regular file")]
    Kind,
    /// Others may write it.
    #[error("pidfile is writable by {0}, so others could choose which process is signalled")]
    Writable(&'static str),
    /// It belongs to a user that is neither root nor the caller.
    #[error("pidfile belongs to uid {0}, which is neither root nor you")]
    Owner(u32),
    /// Nothing in it.
    #[error("pidfile is empty")]
    Empty,
    /// Somebody was writing to it.
    #[error("pidfile has changed while it was read")]
    Changing,
    /// It was written later than now: the clock was set back, or somebody has set the time.
    #[error(
        "pidfile has a time in the future: nothing says whether it is older than the process of that number"
    )]
    Future,
    /// No number in it.
    #[error("pidfile holds no process number: {0:?}")]
    Content(String),
    /// The process is gone or not to be taken.
    #[error("pidfile is stale or wrong: {0}")]
    Process(#[from] ProcessError),
    /// The process is younger than the file.
    #[error("pidfile is stale: process {0} started after the file was written, so it is another one")]
    Younger(u32),
}

/// Slack for clocks between the start of a process and the time of a file, seconds.
const SLACK: f64 = 2.0;

/// Bytes that are read.
const MOST: usize = 64;

/// The number that a pidfile begins with. What follows it is others' (PostgreSQL writes paths below it, in any encoding).
fn number(text: &[u8]) -> Result<u32, PidfileError> {
    let blank = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let word = &text[blank..];
    let len = word.iter().position(u8::is_ascii_whitespace).unwrap_or(word.len());
    // A word that reaches the end of what was read may go on behind it: a part of a number is another number.
    let cut = blank + len >= MOST;
    let word = String::from_utf8_lossy(&word[..len]);
    match &*word {
        "" if !cut => Err(PidfileError::Empty),
        w => pidspec::pid(w).ok().filter(|_| !cut).ok_or_else(|| PidfileError::Content(w.to_owned())),
    }
}

/// What a pidfile says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    /// The number.
    pub pid: u32,
    /// Wall-clock second at which it was written.
    written: f64,
}

impl Named {
    /// True when it was not written before that wall-clock second.
    pub fn is_since(&self, second: f64) -> bool {
        self.written + SLACK >= second
    }

    /// True when it was written before a process that started in that second: it means another one.
    pub fn is_before(&self, second: f64) -> bool {
        second > self.written + SLACK
    }
}

/// Reads a pidfile that belongs to one of these users and that nobody else may write.
pub fn named(path: &Path, owners: &[u32]) -> Result<Named, PidfileError> {
    read(rustix::fs::open(path, FLAGS, Mode::empty()), owners)
}

/// The same of a name in a directory.
pub fn named_at(dir: &OwnedFd, name: &OsStr, owners: &[u32]) -> Result<Named, PidfileError> {
    read(rustix::fs::openat(dir, name, FLAGS | OFlags::NOFOLLOW, Mode::empty()), owners)
}

/// A name that is a pipe or a terminal must not hold us.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn read(opened: rustix::io::Result<OwnedFd>, owners: &[u32]) -> Result<Named, PidfileError> {
    let mut f = File::from(opened.map_err(|e| PidfileError::Read(e.into()))?);
    let m = f.metadata().map_err(PidfileError::Read)?;
    if !m.is_file() {
        return Err(PidfileError::Kind);
    }
    if let Some(who) = writers::besides_owner(&f, m.mode(), m.gid()) {
        return Err(PidfileError::Writable(who));
    }
    if !owners.contains(&m.uid()) {
        return Err(PidfileError::Owner(m.uid()));
    }
    let mut text = Vec::new();
    f.by_ref().take(MOST as u64).read_to_end(&mut text).map_err(PidfileError::Read)?;
    let after = f.metadata().map_err(PidfileError::Read)?;
    let version = |m: &std::fs::Metadata| (m.mtime(), m.mtime_nsec(), m.size());
    if version(&m) != version(&after) {
        return Err(PidfileError::Changing);
    }
    let written = seconds(m.modified().map_err(PidfileError::Read)?);
    if written > seconds(SystemTime::now()) + SLACK {
        return Err(PidfileError::Future);
    }
    Ok(Named { pid: number(&text)?, written })
}

/// Reads a pidfile and opens the process that it means.
pub fn open(path: &Path) -> Result<Candidate, PidfileError> {
    meant(named(path, &[0, rustix::process::geteuid().as_raw()])?)
}

/// The same of a name in a directory, that belongs to one of these users.
pub fn open_at(dir: &OwnedFd, name: &OsStr, owners: &[u32]) -> Result<Candidate, PidfileError> {
    meant(named_at(dir, name, owners)?)
}

fn meant(n: Named) -> Result<Candidate, PidfileError> {
    let p = process::open(n.pid, None)?;
    if n.is_before(started(p.start_ticks)) {
        return Err(PidfileError::Younger(n.pid));
    }
    Ok(p)
}

fn seconds(t: SystemTime) -> f64 {
    t.duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Wall-clock second at which a process started.
fn started(ticks: u64) -> f64 {
    let boot = seconds(SystemTime::now()) - crate::sys::clock::boottime_ns() as f64 / 1e9;
    boot + ticks as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_word_counts() {
        assert_eq!(number(b"  77\n/srv/gr\xf6\xdfe\n").unwrap(), 77);
        assert_eq!(number(b"4194304").unwrap(), 1 << 22);
        assert!(matches!(number(b" \n"), Err(PidfileError::Empty)));
        for bad in [&b"+5"[..], b"-5", b"0", b"5x", b"5\0", b"4194305", b"\xff", b"0x10", b"5:77"] {
            assert!(matches!(number(bad), Err(PidfileError::Content(_))), "{bad:?}");
        }
        // Cut at 64 bytes: 1234567 must not be taken for 1234.
        let far = [vec![b' '; 60], b"1234567\n".to_vec()].concat();
        assert!(number(&far[..MOST]).is_err());
        assert!(number(&[b' '; MOST]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_number_or_refused(b in prop::collection::vec(any::<u8>(), 0..MOST)) {
            if let Ok(p) = number(&b) {
                prop_assert!((1..=1 << 22).contains(&p));
            }
        }

        #[test]
        fn what_is_written_is_read(p in 1u32..=1 << 22, before in "[ \t\n]{0,20}", after in "(|[ \n].{0,20})") {
            let text = format!("{before}{p}{after}");
            prop_assert_eq!(number(&text.as_bytes()[..text.len().min(MOST)]).ok(), Some(p));
        }
    }
}
