//! What every trial needs: a tracker of its own, the pipes, a leash for all victims, the janitor.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use killer_common::record::B_MAIN;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

use super::ctx::{Given, number};
use super::janitor;
use crate::keep::{KeepError, Slot};
use crate::sys::launch::{self, Launch};
use crate::sys::{child, clock, offspring, proc};
use crate::tier::{Paths, Tracker};

/// How long a victim may live at most.
const LEASE: Duration = Duration::from_secs(30);

/// A pipe whose named end is inherited by what is started; the other closes on exec.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

fn pipe(flags: PipeFlags) -> io::Result<Pipe> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | flags)?;
    Ok(Pipe { read, write })
}

fn inherit(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfd(fd, FdFlags::empty())?)
}

/// The place of all trials.
pub struct Stage {
    /// A tracker that nobody else uses.
    pub tracker: Tracker,
    leash: Pipe,
    janitor: i32,
}

impl Stage {
    /// Starts the janitor, then loads the tracker. This process is at a place of its own.
    pub fn set() -> Result<Self, KeepError> {
        let io = |source| KeepError::Io { what: "preparing the self-test".into(), source };
        let leash = pipe(PipeFlags::empty()).map_err(io)?;
        inherit(&leash.read).map_err(io)?;
        let janitor = janitor::start(number(&leash.read)).map_err(io)?;
        let tracker = match Tracker::up(&Paths::default()) {
            Ok(t) => t,
            Err(e) => {
                drop(leash);
                let _ = child::wait(janitor);
                return Err(e);
            }
        };
        // Orphans of the victims come to us and vanish, whichever process is init here.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        offspring::children_vanish();
        Ok(Self { tracker, leash, janitor })
    }

    /// Lets the janitor clean; false: something is left.
    pub fn strike(self) -> bool {
        let Self { tracker, leash, janitor } = self;
        drop(tracker);
        offspring::children_stay();
        drop(leash);
        matches!(child::wait(janitor), Ok(0))
    }

    /// Pipes and bounds for one victim; what it inherits, and what is kept here.
    pub fn props(&self, size: u32, tokens: u32, signal: i32) -> io::Result<Props> {
        let (live, ready, stop) =
            (pipe(PipeFlags::empty())?, pipe(PipeFlags::empty())?, pipe(PipeFlags::empty())?);
        let bag = pipe(PipeFlags::NONBLOCK)?;
        let mut left = tokens as usize;
        while left > 0 {
            match rustix::io::write(&bag.write, &vec![0; left.min(4096)]) {
                Ok(n) => left -= n,
                Err(_) => break,
            }
        }
        for fd in [&live.write, &ready.write, &stop.read, &bag.read] {
            inherit(fd)?;
        }
        let given = Given {
            live: number(&live.write),
            ready: number(&ready.write),
            leash: number(&self.leash.read),
            stop: number(&stop.read),
            tokens: number(&bag.read),
            deadline: clock::monotonic_ns() + LEASE.as_nanos() as u64,
            uid: stranger(),
            size,
            signal,
        };
        let kept = Kept { live: live.read, ready: ready.read, stop: Some(stop.write), pending: Vec::new() };
        Ok(Props { given, kept, _inherited: [live.write, ready.write, stop.read, bag.read] })
    }

    /// Starts a victim as the first member of a root.
    pub fn member(&self, slot: Slot, props: Props, name: &str) -> io::Result<Kept> {
        start(Some((&self.tracker, slot)), props.given.argv(name))?;
        Ok(props.kept)
    }

    /// Starts one outside of every root that holds the same pipes.
    pub fn accomplice(&self, props: &Props, name: &str) -> io::Result<OwnedFd> {
        proc::pidfd_open(start(None, props.given.argv(name))? as u32)
    }

    /// Starts the same program outside of every root.
    pub fn outsider(&self, props: Props, name: &str) -> io::Result<(OwnedFd, Kept)> {
        let pid = start(None, props.given.argv(name))?;
        Ok((proc::pidfd_open(pid as u32)?, props.kept))
    }

    /// As [`Self::outsider`], under a chosen number.
    pub fn outsider_at(&self, pid: i32, props: Props, name: &str) -> io::Result<(OwnedFd, Kept)> {
        let argv = props.given.argv(name);
        let none: [CString; 0] = [];
        offspring::fork_at(pid, || {
            let _ = nix::unistd::execve(c"/proc/self/exe", &argv, &none);
        })?;
        Ok((proc::pidfd_open(pid as u32)?, props.kept))
    }
}

/// A user that nobody is (systemd's docs/UIDS-GIDS.md: the upper half of the range is nobody's); another for each
/// trial, because RLIMIT_NPROC counts those that are not reaped yet.
fn stranger() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    4_000_000_000 + (std::process::id() % 40_000) * 1000 + NEXT.fetch_add(1, Ordering::Relaxed) % 1000
}

/// Forks and execs this program; with a root, the child is its member before its first instruction.
fn start(root: Option<(&Tracker, Slot)>, argv: Vec<CString>) -> io::Result<i32> {
    let launch = Launch { argv, ..Launch::default() };
    let spawned = match root {
        Some((t, slot)) => t.spawn(slot, B_MAIN, &launch, &mut |_| Ok(())),
        None => launch::spawn(&launch, || Ok(()), |_| Ok(())),
    };
    match spawned? {
        Ok(pid) => Ok(pid),
        Err((_, e)) => Err(io::Error::new(e.kind(), format!("cannot exec /proc/self/exe: {e}"))),
    }
}

/// A victim's pipes before it is started: dropped here afterwards, so that only victims hold their ends.
pub struct Props {
    /// What it is told.
    pub given: Given,
    kept: Kept,
    _inherited: [OwnedFd; 4],
}

/// What a victim said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The shape stands: so many tasks, and words for the tester.
    Ready(Option<i64>, String),
    /// Cannot be tried here.
    Skip(String),
    /// Should have worked.
    Fail(String),
    /// How often a signal came.
    Count(u32),
}

impl Said {
    fn parse(line: &str) -> Self {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ready" => {
                let (tasks, more) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Ready(tasks.parse().ok(), more.into())
            }
            "skip" => Self::Skip(rest.into()),
            "count" if rest.parse::<u32>().is_ok() => Self::Count(rest.parse().unwrap_or(0)),
            _ => Self::Fail(rest.into()),
        }
    }
}

/// The tester's ends of a victim's pipes.
pub struct Kept {
    live: OwnedFd,
    ready: OwnedFd,
    stop: Option<OwnedFd>,
    pending: Vec<u8>,
}

impl Kept {
    /// Whether the last one that holds the live pipe has ended, or ends within this time.
    pub fn ended_within(&self, most: Duration) -> bool {
        poll_one(&self.live, most).is_some_and(|f| f.contains(PollFlags::HUP))
    }

    /// It is time to tell.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// The next line; `None` when time is over, when all that could say something are dead, or on an interrupt.
    pub fn said(&mut self, most: Duration) -> Option<Said> {
        let end = Instant::now() + most;
        loop {
            if let Some(at) = self.pending.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=at).collect();
                return Some(Said::parse(String::from_utf8_lossy(&line[..at]).trim_end()));
            }
            let left = end.checked_duration_since(Instant::now())?;
            poll_one(&self.ready, left)?;
            let mut buffer = [0; 4096];
            match rustix::io::read(&self.ready, &mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.pending.extend(&buffer[..n]),
            }
        }
    }
}

fn poll_one(fd: &OwnedFd, most: Duration) -> Option<PollFlags> {
    let t = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() };
    let fd = fd.as_fd();
    let mut p = [PollFd::new(&fd, PollFlags::IN)];
    matches!(poll(&mut p, Some(&t)), Ok(n) if n > 0).then(|| p[0].revents())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_victims() {
        assert_eq!(Said::parse("ready 2 77"), Said::Ready(Some(2), "77".into()));
        assert_eq!(Said::parse("ready ?"), Said::Ready(None, String::new()));
        assert_eq!(Said::parse("count 1"), Said::Count(1));
        assert_eq!(Said::parse("skip no such call"), Said::Skip("no such call".into()));
        assert_eq!(Said::parse("fail x"), Said::Fail("x".into()));
        assert_eq!(Said::parse("count x"), Said::Fail("x".into()));
    }

    #[test]
    fn the_stranger_is_beyond_every_range() {
        let uid = stranger();
        assert!((4_000_000_000..4_294_967_294).contains(&uid) && stranger() != uid);
    }
}
