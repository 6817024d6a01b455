//! Waiting for "released": each process that was a member has ended to its last thread and has let go of files, ports and
//! memory (the exit hook comes before that, so `pop == 0` is not enough; F11).

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use killer_common::record::Member;

use crate::sys::alive::Identity;
use crate::sys::proc::{self, Ends, none_there};
use crate::sys::{alive, interrupt, limits};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The condition holds.
    Done,
    /// Time ran out.
    TimedOut,
    /// The caller was interrupted (SIGINT, SIGTERM).
    Interrupted(i32),
}

/// Waits on kernel events only until `done` says so. `next` answers what is alive and worth waiting
/// for; nobody, when nothing is listed although `done` is not reached (then a short timer stands in).
pub fn until(
    limit: Option<Duration>,
    mut progress: impl FnMut(),
    mut done: impl FnMut() -> bool,
    mut next: impl FnMut() -> Ends,
) -> Waited {
    interrupt::catch();
    let end = limit.and_then(|l| Instant::now().checked_add(l));
    let tick = Duration::from_secs(1);
    let mut told = Instant::now();
    loop {
        if done() {
            return Waited::Done;
        }
        if let Some(signal) = interrupt::came() {
            return Waited::Interrupted(signal);
        }
        let rest = end.map_or(tick, |e| e.saturating_duration_since(Instant::now()));
        if rest.is_zero() {
            return Waited::TimedOut;
        }
        next().wait(interrupt::bell(), rest.min(tick));
        if told.elapsed() >= tick {
            told = Instant::now();
            progress();
        }
    }
}

/// Processes that are waited for: by number, start and inode, and a bounded number of them open at a time.
#[derive(Debug, Default)]
pub struct Awaited {
    known: HashSet<Identity>,
    all: Vec<Member>,
    closed: Vec<Member>,
    open: Vec<(Member, OwnedFd)>,
}

impl Awaited {
    /// Waits for this one, too.
    pub fn add(&mut self, m: Member) {
        if self.known.insert(Identity::of(&m)) {
            self.all.push(m);
            self.closed.push(m);
        }
    }

    /// Drops the processes that have let go of everything; true when none is left. While there are more than may be
    /// open, it looks at those that are.
    pub fn released(&mut self) -> bool {
        self.open.retain(|(_, fd)| !proc::pidfd_ended(fd));
        let most = limits::some_descriptors().max(1);
        while self.open.len() < most
            && let Some(m) = self.closed.pop()
        {
            match hold(&m) {
                Ok(Some(fd)) if !proc::pidfd_ended(&fd) => self.open.push((m, fd)),
                Ok(_) => {}
                // Not looked at is not released.
                Err(_) => {
                    self.closed.push(m);
                    break;
                }
            }
        }
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Drops all processes that have let go of everything, however few may be open at a time; true when none is left.
    pub fn all_released(&mut self) -> bool {
        self.open.retain(|(_, fd)| !proc::pidfd_ended(fd));
        self.closed.retain(|m| match hold(m) {
            Ok(fd) => fd.is_some_and(|fd| !proc::pidfd_ended(&fd)),
            // Not looked at is not released.
            Err(_) => true,
        });
        self.open.is_empty() && self.closed.is_empty()
    }

    /// The processes that have not let go.
    pub fn left(&self) -> Vec<Member> {
        self.open.iter().map(|(m, _)| *m).chain(self.closed.iter().copied()).collect()
    }

    /// All that were waited for.
    pub fn all(&self) -> &[Member] {
        &self.all
    }

    /// What to sleep on: the end of any one of them; `None` when nobody is open.
    pub fn ends(&self) -> Option<Ends> {
        // One of them is enough: all have to end.
        let fd = self.open.last()?.1.try_clone().ok()?;
        Some(Ends::new(vec![fd], true))
    }
}

/// Those of them that have ended, and are not reaped by their parents yet. Such a number is taken until then (kill(2)
/// finds it), which the next start of a daemon takes for a daemon that runs.
pub fn unreaped(of: &[Member]) -> Vec<Member> {
    let zombie = |m: &&Member| {
        // One cheap question to the kernel for each; /proc is read only of those that are there.
        proc::exists(m.tgid)
            && matches!(alive::look(m.tgid, m.leader_start), alive::Look::Here(_, s) if s.state == 'Z')
    };
    let mut v: Vec<Member> = of.iter().filter(zombie).copied().collect();
    v.sort_by_key(|m| m.tgid);
    // Noted twice where one note had its inode and the other had not.
    v.dedup_by_key(|m| m.tgid);
    v
}

/// The process of an entry, opened by its number; `None` when that is nobody's, or another one's by now.
fn hold(m: &Member) -> std::io::Result<Option<OwnedFd>> {
    let fd = match proc::pidfd_open(m.tgid) {
        Err(e) if none_there(&e) => return Ok(None),
        r => r?,
    };
    let same = match (m.inode, proc::pidfd_inode(&fd)) {
        // Looked at after it was opened: had the number become another's between, what was opened has ended. What
        // cannot be looked at is waited for.
        (0, _) | (_, Err(_)) => !matches!(alive::look(m.tgid, m.leader_start), alive::Look::Gone),
        (inode, Ok(now)) => inode == now,
    };
    Ok(same.then_some(fd))
}
