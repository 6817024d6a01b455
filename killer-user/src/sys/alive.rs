//! Whether a process that is known by number and start is still there, as far as /proc and the kernel say.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use killer_common::record::Member;
use procfs::process::Stat;

use super::entry::{Entry, over};
use super::{clock, proc};

/// One process, and no other one for as long as the host is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Its number; 0: nobody.
    pub pid: u32,
    /// When its leader started, ns since boot.
    pub start: u64,
}

impl Identity {
    /// Of a member.
    pub fn of(m: &Member) -> Self {
        Self { pid: m.tgid, start: m.leader_start }
    }

    /// Of the process that forked a member.
    pub fn creator(m: &Member) -> Self {
        Self { pid: m.creator_tgid, start: m.creator_start }
    }

    /// As [`alive`].
    pub fn lives(self) -> bool {
        alive(self.pid, self.start)
    }
}

/// Set when something that is there could not be looked at.
static BLIND: AtomicBool = AtomicBool::new(false);

/// Notes such a look: whatever was shown or done may lack somebody.
pub fn note_blind() {
    BLIND.store(true, Ordering::Relaxed);
}

/// Another command begins, in the same process: what was not seen before is not its matter.
pub fn look_anew() {
    BLIND.store(false, Ordering::Relaxed);
}

/// An error when there was one.
pub fn sound() -> io::Result<()> {
    match BLIND.load(Ordering::Relaxed) {
        true => Err(io::Error::other("a look at a process, or at the registry, has failed")),
        false => Ok(()),
    }
}

/// A look at what may have ended, which is `None` then. One that fails otherwise is made once more, and noted when that fails, too.
pub fn twice<T>(look: impl Fn() -> io::Result<T>) -> Option<T> {
    let once = || match look() {
        Err(e) if over(&e) => Ok(None),
        r => r.map(Some),
    };
    once().or_else(|_| once()).unwrap_or_else(|_| {
        note_blind();
        None
    })
}

/// USER_HZ.
const TICKS: u64 = 100;

/// Start of a living process in clock ticks since boot; a zombie that nobody has reaped is not alive.
pub fn start_of(pid: u32) -> Option<u64> {
    let s = Entry::open(pid).and_then(|e| e.stat()).ok()?;
    (!matches!(s.state, 'Z' | 'X')).then_some(clock::host_ticks(s.starttime))
}

/// What /proc says of a process that is known by number and start.
#[derive(Debug)]
pub enum Look {
    /// It is there.
    Here(Entry, Box<Stat>),
    /// It has ended and was reaped, or another one has its number.
    Gone,
    /// Somebody has the number, and cannot be looked at: it is not known to have ended.
    Unknown,
}

/// Looks at it; `start` in ns, 0 where it is not known.
pub fn look(pid: u32, start: u64) -> Look {
    match Entry::open(pid).and_then(|e| e.stat().map(|s| (e, s))) {
        Ok((e, s)) => {
            let ticks = clock::host_ticks(s.starttime);
            // The offset of a time namespace may be a part of a tick.
            let same = start == 0 || near_start(ticks, start) || near_start(ticks.saturating_sub(1), start);
            if same { Look::Here(e, Box::new(s)) } else { Look::Gone }
        }
        Err(_) if proc::exists(pid) => Look::Unknown,
        Err(_) => Look::Gone,
    }
}

/// False when it is certain that the process of this number and start (ns, 0: not known) has ended.
pub fn alive(pid: u32, start: u64) -> bool {
    match look(pid, start) {
        Look::Here(_, s) => !matches!(s.state, 'Z' | 'X'),
        Look::Gone => false,
        Look::Unknown => true,
    }
}

/// Whether ticks of /proc and nanoseconds of the kernel name the same start (USER_HZ is 100 on every Linux that
/// runs BPF; `fs/proc/array.c:do_task_stat` truncates).
pub fn same_start(ticks: u64, ns: u64) -> bool {
    ns / (1_000_000_000 / TICKS) == ticks
}

/// The same where the kernel's side is the moment of registration (tiers without BTF): it may fall into the next tick.
pub fn near_start(ticks: u64, ns: u64) -> bool {
    same_start(ticks, ns) || same_start(ticks + 1, ns)
}

/// The latest moment (ns since boot) at which a process can have begun whose start /proc shows as these ticks; the offset of a
/// time namespace may be a part of a tick.
pub fn not_after(ticks: u64) -> u64 {
    (ticks + 2).saturating_mul(1_000_000_000 / TICKS)
}
