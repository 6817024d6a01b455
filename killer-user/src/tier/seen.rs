//! What /proc says of processes, for the tiers without programs.

use std::collections::HashMap;
use std::io;

use killer_common::record::Member;
use serde::{Deserialize, Serialize};

use crate::sys::alive::{self, Look};
use crate::sys::clock;
use crate::sys::clock::TICK;
use crate::sys::entry::{self, Entry};
use crate::sys::proc_text;

/// A process as /proc names it. In files it is a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u64)", into = "(u32, u64)")]
pub struct Id {
    /// Its number; 0: nobody.
    pub pid: u32,
    /// Start, clock ticks since boot.
    pub start: u64,
}

impl From<(u32, u64)> for Id {
    fn from((pid, start): (u32, u64)) -> Self {
        Self { pid, start }
    }
}

impl From<Id> for (u32, u64) {
    fn from(id: Id) -> Self {
        (id.pid, id.start)
    }
}

impl Id {
    /// The process that has this number now; its start is 0 when there is none.
    pub fn now(pid: u32) -> Self {
        process(pid).map_or(Self { pid, start: 0 }, |p| p.id())
    }

    /// True while it lives.
    pub fn lives(self) -> bool {
        process(self.pid).is_some_and(|p| p.start == self.start)
    }
}

/// A process as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Thread group id.
    pub pid: u32,
    /// Parent as the kernel has it now.
    pub ppid: u32,
    /// Start, clock ticks since boot.
    pub start: u64,
    /// Threads, a dead leader among them.
    pub threads: i64,
    /// Owner.
    pub uid: u32,
    /// Name: any bytes.
    pub comm: Vec<u8>,
    /// Its only thread is on its way out.
    pub exiting: bool,
    /// Its leader has ended, other threads go on.
    pub leader_dead: bool,
}

impl Seen {
    /// Number and start.
    pub fn id(&self) -> Id {
        Id { pid: self.pid, start: self.start }
    }
}

/// A process; `None` when there is none, or a zombie without a live thread, or a kernel thread. Whoever cannot be seen by this user is
/// nobody (`hidepid`); else as [`alive::twice`].
pub fn process(pid: u32) -> Option<Seen> {
    let unseen = |e: &io::Error| matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM));
    let look = || match looked(pid) {
        Err(e) if unseen(&e) => looked(pid).or_else(|e| if unseen(&e) { Ok(None) } else { Err(e) }),
        seen => seen,
    };
    alive::twice(look).flatten()
}

fn looked(pid: u32) -> io::Result<Option<Seen>> {
    const PF_KTHREAD: u32 = 0x0020_0000;
    const PF_EXITING: u32 = 4;
    let e = Entry::open(pid)?;
    let (s, stat) = e.stat_as_it_is()?;
    // A leader that has ended while its threads go on is a zombie, too.
    let leader_dead = matches!(s.state, 'Z' | 'X');
    if leader_dead && s.num_threads <= 1 || s.flags & PF_KTHREAD != 0 {
        return Ok(None);
    }
    let uid = e.owner().unwrap_or(u32::MAX);
    let exiting = s.flags & PF_EXITING != 0 && s.num_threads <= 1;
    Ok(Some(Seen {
        pid,
        ppid: s.ppid as u32,
        start: clock::host_ticks(s.starttime),
        threads: s.num_threads,
        uid,
        comm: proc_text::name_in(&stat).to_owned(),
        exiting,
        leader_dead,
    }))
}

/// As [`process`] of one that is listed as a member; an error when it is there and cannot be looked at.
pub fn member(pid: u32) -> io::Result<Option<Seen>> {
    if let Some(s) = process(pid) {
        return Ok(Some(s));
    }
    match alive::look(pid, 0) {
        // A zombie, or the first look has failed: the second one says.
        Look::Here(..) => Ok(process(pid)),
        Look::Gone => Ok(None),
        Look::Unknown => {
            alive::note_blind();
            alive::sound().map(|()| None)
        }
    }
}

/// Every process that /proc shows. In the order of their numbers: one that is born meanwhile can be missed.
pub fn everybody() -> io::Result<HashMap<u32, Seen>> {
    let mut all = HashMap::new();
    let noted = |e| {
        alive::note_blind();
        e
    };
    for pid in entry::everybody().map_err(noted)? {
        if let Some(s) = process(pid) {
            all.insert(s.pid, s);
        }
    }
    Ok(all)
}

/// The index entry that the programs would have made. Creator is the present parent: that is all /proc knows.
pub fn entry(s: &Seen, root: u32, generation: u32, flags: u32, creator_start: u64) -> Member {
    let mut comm = [0; 16];
    for (to, from) in comm[..15].iter_mut().zip(s.comm.iter().copied()) {
        *to = from;
    }
    let (leader_start, born) = (s.start * TICK, s.start * TICK);
    Member {
        tgid: s.pid,
        root,
        generation,
        flags,
        leader_start,
        creator_tgid: s.ppid,
        uid: s.uid,
        creator_start: creator_start * TICK,
        threads: s.threads as u32,
        born,
        comm,
        ..Member::default()
    }
}

/// Start of a process in the clock of entries.
pub fn start_ns(ticks: u64) -> u64 {
    ticks * TICK
}

/// Start of an entry in the clock of /proc.
pub fn ticks(start: u64) -> u64 {
    start / TICK
}

/// This process.
pub fn me() -> Id {
    Id::now(std::process::id())
}
