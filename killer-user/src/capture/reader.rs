//! The reader of one member: a process of its own, which holds nothing but that member's directory in /proc and a pipe. What it
//! looks at may make it wait for ever (a page or a file that a member serves); then it is ended, and another one goes on behind
//! that.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use killer_common::record::Member;

use super::wire::{Begins, Inode, Item, Teller};
use crate::ask::capture::Limits;
use crate::report::message;
use crate::sys::alive::{Look, look};
use crate::sys::entry::{Entry, over};
use crate::sys::proc;

/// What the readers of a capture know of each other's work.
#[derive(Debug, Default)]
pub struct Known {
    /// Parts that were begun.
    pub parts: HashSet<String>,
    /// Files whose contents were begun, and where these are.
    pub contents: HashMap<Inode, String>,
    /// Looks that never came back, of this member and round.
    pub stuck: HashSet<Item>,
    /// The step to begin with.
    pub from: usize,
    /// Bytes that there is room for.
    pub room: u64,
}

/// The longest text of one file in /proc.
pub const TEXT: u64 = 64 << 20;

/// One member's reader.
pub struct Reader<'a> {
    /// Its directory: who it is, and its threads.
    pub whole: Entry,
    /// What its files are read from: a living thread's, when the first one has ended and has none any more.
    pub entry: Entry,
    /// Its number.
    pub pid: u32,
    /// Where its parts go.
    pub place: String,
    /// What may be read.
    pub limits: &'a Limits,
    /// The step that goes on.
    pub step: usize,
    known: &'a Known,
    mine: HashSet<String>,
    out: Teller,
}

/// Directory of a member's parts.
pub fn place(m: &Member) -> String {
    format!("members/{}-{}", m.tgid, m.leader_start)
}

/// An error in words.
pub fn words(e: &io::Error) -> String {
    if over(e) && e.raw_os_error() == Some(libc::ESRCH) {
        return "the process has ended".into();
    }
    message::plain(&e.to_string())
}

/// The member's directory, when it is surely the member's: number, start and, where there is one, the inode of the pidfd, which had
/// not ended when the directory was open.
fn checked(m: &Member) -> Result<Entry, String> {
    let fd = proc::pidfd_open(m.tgid).map_err(|_| "it has ended".to_owned())?;
    if m.inode != 0 && proc::pidfd_inode(&fd).is_ok_and(|i| i != m.inode) {
        return Err("it has ended, and another process has its number".into());
    }
    match look(m.tgid, m.leader_start) {
        Look::Here(..) if proc::pidfd_ended(&fd) => Err("it has ended".into()),
        Look::Here(e, _) => Ok(e),
        Look::Gone => Err("it has ended".into()),
        Look::Unknown => Err("it cannot be looked at in /proc".into()),
    }
}

/// A thread that has not ended, where the first one has: the kernel shows no files and no memory of that.
fn living(whole: &Entry) -> Option<Entry> {
    let ended = |e: &Entry| e.stat().is_ok_and(|s| matches!(s.state, 'Z' | 'X'));
    if !ended(whole) {
        return None;
    }
    let threads = whole.threads().ok()?;
    threads.into_iter().filter_map(|t| whole.thread(t).ok()).find(|t| !ended(t))
}

impl<'a> Reader<'a> {
    /// Of a member; `None` when that is not there any more, which is told.
    pub fn open(m: &Member, limits: &'a Limits, known: &'a Known, pipe: OwnedFd) -> io::Result<Option<Self>> {
        let mut out = Teller::new(pipe);
        let place = place(m);
        match checked(m) {
            Ok(whole) => {
                let mine = HashSet::new();
                let entry = match living(&whole) {
                    Some(thread) => thread,
                    None => whole.again()?,
                };
                Ok(Some(Self { whole, entry, pid: m.tgid, place, limits, known, mine, out, step: 0 }))
            }
            Err(why) => {
                out.left_out(&place, &why)?;
                out.done()?;
                Ok(None)
            }
        }
    }

    /// That was all.
    pub fn done(&mut self) -> io::Result<()> {
        self.out.done()
    }

    /// Before a look that may never come back: false where it did not.
    pub fn looks(&mut self, number: u64, words: &str) -> io::Result<bool> {
        let item = Item { step: self.step, number };
        if self.known.stuck.contains(&item) {
            return Ok(false);
        }
        self.out.looks(item, words)?;
        Ok(true)
    }

    /// True when this part was begun already.
    pub fn has(&self, path: &str) -> bool {
        self.known.parts.contains(path) || self.mine.contains(path)
    }

    /// Bytes that there is room for.
    pub fn room(&self) -> u64 {
        self.known.room
    }

    /// Where the content of a file is already.
    pub fn content(&self, file: Inode) -> Option<&String> {
        self.known.contents.get(&file)
    }

    /// Begins a part.
    pub fn begins(&mut self, b: &Begins) -> io::Result<()> {
        self.mine.insert(b.path.clone());
        self.out.begins(b)
    }

    /// Some of it.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.data(bytes)
    }

    /// Ends it.
    pub fn ends(&mut self) -> io::Result<()> {
        self.out.ends()
    }

    /// Ends it too soon.
    pub fn cut(&mut self) -> io::Result<()> {
        self.out.cut()
    }

    /// A part in one go.
    pub fn part(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if self.has(path) {
            return Ok(());
        }
        self.begins(&Begins { path: path.into(), size: bytes.len() as u64, sparse: None, content: None })?;
        self.data(bytes)?;
        self.ends()
    }

    /// Something of this member is left out.
    pub fn left_out(&mut self, what: &str, why: &str) -> io::Result<()> {
        let what = format!("{}/{what}", self.place);
        self.out.left_out(&what, why)
    }

    /// The text of a file of /proc; `None` when that is left out, which is told.
    pub fn text(&mut self, number: u64, file: &str) -> io::Result<Option<Vec<u8>>> {
        if !self.looks(number, &format!("{}/{file}", self.place))? {
            return Ok(None);
        }
        match self.entry.open_file(file).and_then(|fd| bounded(fd, TEXT)) {
            Ok((bytes, whole)) => {
                if !whole {
                    self.left_out(file, &format!("cut after {TEXT} bytes"))?;
                }
                Ok(Some(bytes))
            }
            // Not every kernel has every file, and without a security module nobody answers for its own.
            Err(e) if e.kind() == io::ErrorKind::NotFound || file.starts_with("attr/") => Ok(None),
            Err(e) => {
                self.left_out(file, &words(&e))?;
                Ok(None)
            }
        }
    }
}

/// So many bytes of a file at most; true when that was all of it.
pub fn bounded(fd: OwnedFd, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    File::from(fd).take(most + 1).read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 <= most;
    bytes.truncate(most as usize);
    Ok((bytes, whole))
}
