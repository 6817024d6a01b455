//! A process by its number, with what identifies it.

use std::io;

use procfs::FromRead;
use procfs::process::Stat;
use thiserror::Error;

use crate::keep::Candidate;
use crate::sys::{alive::start_of, clock, entry::Entry, proc, proc_text};

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

/// The caller's process and its ancestors, nearest first, without PID 1. Each is looked at once.
pub fn callers() -> Vec<Caller> {
    let mut v: Vec<Caller> = Vec::new();
    let mut pid = std::process::id();
    loop {
        let s = Stat::from_read(&proc_text::read(&format!("/proc/{pid}/stat"))[..]).ok();
        let place = |s: &Stat| Place { session: s.session as u32, has_terminal: s.tty_nr != 0 };
        v.push(Caller { pid, place: s.as_ref().map(place) });
        match s.map(|s| s.ppid as u32) {
            Some(up) if up > 1 && v.iter().all(|c| c.pid != up) => pid = up,
            _ => return v,
        }
    }
}

/// Their numbers.
pub fn ancestors() -> Vec<u32> {
    callers().iter().map(|c| c.pid).collect()
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
