//! A process by its number, with what identifies it.

use std::io;

use procfs::FromRead;
use procfs::process::Stat;
use thiserror::Error;

use crate::keep::Candidate;
use crate::sys::alive::{not_after, start_of};
use crate::sys::entry::{self, Entry};
use crate::sys::{clock, pidfd_info, proc, proc_text};

/// Why a number is no process that can be taken.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// There is none.
    #[error("no process {0}")]
    Gone(u32),
    /// PID 1.
    #[error("process 1 is the host's init")]
    Init,
    /// A kernel thread.
    #[error("process {0} is a kernel thread")]
    KernelThread(u32),
    /// A thread, not a process.
    #[error("{0} is a thread of process {1}, not a process")]
    Thread(u32, u32),
    /// The inode is another's.
    #[error("process {pid} is another one: its inode is {is}, not {wanted}")]
    Inode {
        /// The number.
        pid: u32,
        /// Its inode.
        is: u64,
        /// The wanted one.
        wanted: u64,
    },
    /// Something else.
    #[error("process {0}: {1}")]
    Io(u32, io::Error),
}

/// `PF_KTHREAD`
const PF_KTHREAD: u32 = 0x0020_0000;
/// Opens a process by number and checks that it may be a service's root.
pub fn open(pid: u32, inode: Option<u64>) -> Result<Candidate, ProcessError> {
    if pid == 1 {
        return Err(ProcessError::Init);
    }
    proc::mounted().map_err(|why| ProcessError::Io(pid, io::Error::other(why)))?;
    let gone = |e: io::Error| match proc::none_there(&e) {
        true => ProcessError::Gone(pid),
        false => ProcessError::Io(pid, e),
    };
    let entry = Entry::open(pid);
    let stat = match &entry {
        Ok(e) => e.stat(),
        Err(e) => Err(io::Error::from_raw_os_error(e.raw_os_error().unwrap_or(libc::EIO))),
    };
    let stat = match stat {
        Ok(s) => s,
        Err(e) if proc::exists(pid) => return Err(ProcessError::Io(pid, e)),
        Err(_) => return Err(ProcessError::Gone(pid)),
    };
    if stat.flags & PF_KTHREAD != 0 || stat.ppid == 2 && stat.pgrp == 0 {
        return Err(ProcessError::KernelThread(pid));
    }
    if let Ok(s) = entry.and_then(|e| e.status())
        && s.tgid != pid as i32
    {
        return Err(ProcessError::Thread(pid, s.tgid as u32));
    }
    let pidfd = proc::pidfd_open(pid).map_err(gone)?;
    let is = match proc::pidfd_inode(&pidfd) {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => 0,
        is => is.map_err(|e| ProcessError::Io(pid, e))?,
    };
    if let Some(wanted) = inode
        && wanted != is
    {
        return Err(ProcessError::Inode { pid, is, wanted });
    }
    let start_ticks = clock::host_ticks(stat.starttime);
    if start_of(pid) != Some(start_ticks) || proc::pidfd_ended(&pidfd) {
        return Err(ProcessError::Gone(pid));
    }
    Ok(Candidate { pid, start_ticks, inode: is })
}

/// The caller's process, or an ancestor of it, as it was found by one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number.
    pub pid: u32,
    /// Its session, and whether that has a terminal; `None`: it could not be looked at.
    place: Option<Place>,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    session: u32,
    has_terminal: bool,
}

/// The caller's process and its ancestors, nearest first, without PID 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Each as it was found by one look.
    pub known: Vec<Caller>,
    /// The last of them, when it could not be read: there may be more behind it.
    pub unread: Option<Unread>,
}

impl Callers {
    /// Numbers of those that are known.
    pub fn pids(&self) -> Vec<u32> {
        self.known.iter().map(|c| c.pid).collect()
    }
}

/// A process that could not be read, so that its ancestors are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its number.
    pub pid: u32,
    /// None of them began after this (ns since boot): a parent is older than its child.
    pub until: u64,
}

/// What a look at a process shows.
#[derive(Clone, Copy, Debug)]
struct Seen {
    parent: u32,
    /// Its start (clock ticks since boot) and place; `None`: /proc does not show them.
    more: Option<(u64, Place)>,
}

fn see(pid: u32) -> io::Result<Seen> {
    let stat = entry::record(&format!("{pid}/stat"));
    match stat.and_then(|s| Stat::from_read(&s[..]).map_err(io::Error::other)) {
        Err(_) => Ok(Seen { parent: pidfd_info::parent(pid)?, more: None }),
        Ok(s) => {
            let place = Place { session: s.session as u32, has_terminal: s.tty_nr != 0 };
            Ok(Seen { parent: s.ppid as u32, more: Some((clock::host_ticks(s.starttime), place)) })
        }
    }
}

/// The caller's process and its ancestors.
pub fn callers() -> Callers {
    line(std::process::id(), see)
}

/// Numbers of the caller's process and its ancestors, as far as these can be read: for a question where it does no harm when
/// one of them is not found.
pub fn ancestors() -> Vec<u32> {
    callers().pids()
}

/// How often a line is followed that changes meanwhile.
const TRIES: u32 = 8;

/// One that has ended between two looks has left its child to another parent, so that the line is followed anew; one that
/// cannot be read twice is there, and hidden.
fn line(own: u32, see: impl Fn(u32) -> io::Result<Seen>) -> Callers {
    let mut found = followed(own, &see);
    for _ in 0..TRIES {
        let Some(unread) = found.unread else { break };
        found = followed(own, &see);
        if found.unread.is_some_and(|u| u.pid == unread.pid) {
            break;
        }
    }
    found
}

fn followed(own: u32, see: impl Fn(u32) -> io::Result<Seen>) -> Callers {
    let mut c = Callers::default();
    let (mut pid, mut until) = (own, u64::MAX);
    loop {
        // A number that comes again was given to another process between two looks.
        let seen = if c.known.iter().any(|k| k.pid == pid) { None } else { see(pid).ok() };
        let more = seen.and_then(|s| s.more);
        c.known.push(Caller { pid, place: more.map(|(_, place)| place) });
        until = more.map_or(until, |(start, _)| not_after(start));
        match seen {
            None => {
                c.unread = Some(Unread { pid, until });
                return c;
            }
            Some(s) if s.parent > 1 => pid = s.parent,
            Some(_) => return c,
        }
    }
}

/// How many of these the caller's session hangs on: the processes in
/// that session, or in another one with a terminal, and the one that started the leader of such a one, because that
/// process holds the terminal. Behind them is the one that has only started all that: a listener, whose end the
/// session survives. A process that cannot be looked at counts.
pub fn near(callers: &[Caller]) -> usize {
    let own = callers.first().and_then(|c| c.place).map(|p| p.session);
    let hangs = |c: &Caller| match c.place {
        None => 1,
        Some(p) if p.has_terminal && p.session == c.pid => 2,
        Some(p) => usize::from(p.has_terminal || Some(p.session) == own),
    };
    let reach = callers.iter().enumerate().map(|(i, c)| if hangs(c) == 0 { 0 } else { i + hangs(c) });
    reach.max().unwrap_or(0).min(callers.len())
}

/// The user that a process belongs to.
pub fn owner(pid: u32) -> Option<u32> {
    Entry::open(pid).and_then(|e| e.owner()).ok()
}

/// Name of a process, for people.
pub fn comm(pid: u32) -> String {
    proc_text::shown(&proc_text::name(pid))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Processes: number, parent, start in ticks. Of one that is hidden the start is 0, and the parent is told, or 0.
    fn seen(world: &[(u32, u32, u64)], pid: u32) -> io::Result<Seen> {
        let found = world.iter().find(|p| p.0 == pid && (p.1, p.2) != (0, 0));
        let &(_, parent, start) = found.ok_or(io::ErrorKind::NotFound)?;
        let more = (start, Place { session: pid, has_terminal: false });
        Ok(Seen { parent, more: Some(more).filter(|_| start != 0) })
    }

    #[test]
    fn a_line_ends_at_the_init() {
        let world = [(9, 7, 900), (7, 3, 700), (3, 1, 300), (1, 0, 1)];
        let c = line(9, |p| seen(&world, p));
        assert_eq!((c.pids(), c.unread), (vec![9, 7, 3], None));
        // Behind the border of a PID namespace.
        let c = line(9, |p| seen(&[(9, 7, 900), (7, 0, 700)], p));
        assert_eq!((c.pids(), c.unread), (vec![9, 7], None));
    }

    #[test]
    fn an_ancestor_that_is_hidden_is_said() {
        let world = [(9, 7, 900), (7, 0, 0), (3, 1, 300)];
        let c = line(9, |p| seen(&world, p));
        assert_eq!(c.pids(), [9, 7], "itself it is known");
        let unread = c.unread.expect("nobody knows what is behind it");
        assert!(
            unread.pid == 7 && unread.until >= 9_010_000_000 && unread.until < 9_100_000_000,
            "{unread:?}"
        );
        let c = line(9, |p| seen(&[], p));
        assert_eq!(c.unread, Some(Unread { pid: 9, until: u64::MAX }));
    }

    #[test]
    fn an_ancestor_that_is_hidden_hides_nobody_where_its_parent_is_told() {
        let c = line(9, |p| seen(&[(9, 7, 900), (7, 3, 0), (3, 1, 300)], p));
        assert_eq!((c.pids(), c.unread), (vec![9, 7, 3], None));
        assert_eq!(c.known[1].place, None);
        // What is known of it does not make it older.
        let unread = line(9, |p| seen(&[(9, 7, 900), (7, 3, 0)], p)).unread.expect("it ends at 3");
        assert!(unread.pid == 3 && unread.until >= 9_010_000_000, "{unread:?}");
    }

    #[test]
    fn an_ancestor_that_ends_meanwhile_hides_nobody() {
        // When 7 is looked at it has just ended, and 9 is 3's.
        let ended = RefCell::new(false);
        let c = line(9, |p| {
            if p == 7 {
                *ended.borrow_mut() = true;
            }
            let parent = if *ended.borrow() { 3 } else { 7 };
            seen(&[(9, parent, 900), (3, 1, 300)], p)
        });
        assert_eq!((c.pids(), c.unread), (vec![9, 3], None));
        // A line that never stands still ends, and is not taken for a whole one.
        let n = RefCell::new(100);
        let c = line(9, |p| {
            *n.borrow_mut() += 1;
            seen(&[(9, *n.borrow(), 900)], p)
        });
        assert!(c.unread.is_some());
    }

    #[test]
    fn of_this_process() {
        let c = callers();
        assert_eq!((c.known[0].pid, c.unread), (std::process::id(), None));
        assert!(c.known.iter().all(|k| k.place.is_some()), "{c:?}");
    }
}
