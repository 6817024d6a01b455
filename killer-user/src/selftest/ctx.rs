//! What a victim is given, and what it can do with it.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::sys::{clock, offspring};

/// The most that a victim's user may ever have.
const MOST_TASKS: u64 = 2000;

/// What the first argument of a victim begins with.
pub use crate::ask::name::VICTIMS as PREFIX;

/// The descriptors and bounds that every victim knows, as numbers in its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Write end of the live pipe: open in every descendant, closed by nobody.
    pub live: RawFd,
    /// Where shapes are announced and counts are told.
    pub ready: RawFd,
    /// Hangs up when the tester is gone: everybody ends.
    pub leash: RawFd,
    /// Hangs up when it is time to tell.
    pub stop: RawFd,
    /// A byte for each birth that is still allowed.
    pub tokens: RawFd,
    /// CLOCK_MONOTONIC ns after which everybody ends by itself.
    pub deadline: u64,
    /// A user that nobody is.
    pub uid: u32,
    /// How large a swarm is.
    pub size: u32,
    /// The signal that is counted.
    pub signal: i32,
}

impl Given {
    /// The arguments of a victim.
    pub fn argv(&self, name: &str) -> Vec<CString> {
        let numbers = [self.live, self.ready, self.leash, self.stop, self.tokens].map(i64::from);
        let bounds = [self.deadline as i64, self.uid.into(), self.size.into(), self.signal.into()];
        let words = ["/proc/self/exe".to_owned(), format!("{PREFIX}{name}")].into_iter();
        words
            .chain(numbers.iter().chain(&bounds).map(ToString::to_string))
            .filter_map(|w| CString::new(w).ok())
            .collect()
    }

    pub(super) fn parse(args: &[OsString]) -> Option<Self> {
        let n = |i: usize| args.get(i)?.to_str()?.parse::<i64>().ok();
        let fd = |i: usize| n(i)?.try_into().ok();
        Some(Self {
            live: fd(0)?,
            ready: fd(1)?,
            leash: fd(2)?,
            stop: fd(3)?,
            tokens: fd(4)?,
            deadline: n(5)?.try_into().ok()?,
            uid: n(6)?.try_into().ok()?,
            size: n(7)?.try_into().ok()?,
            signal: n(8)?.try_into().ok()?,
        })
    }
}

/// A behaviour's name and what does it.
pub type Behaviour = (&'static str, fn(Ctx));

/// What a victim holds.
#[derive(Clone, Copy, Debug)]
pub struct Ctx {
    /// As it was told.
    pub given: Given,
    ready: BorrowedFd<'static>,
    leash: BorrowedFd<'static>,
    stop: BorrowedFd<'static>,
    tokens: BorrowedFd<'static>,
}

impl Ctx {
    pub(super) fn new(given: Given) -> Option<Self> {
        let fd = offspring::inherited;
        fd(given.live)?;
        Some(Self {
            given,
            ready: fd(given.ready)?,
            leash: fd(given.leash)?,
            stop: fd(given.stop)?,
            tokens: fd(given.tokens)?,
        })
    }

    fn say(&self, line: &str) {
        // Below PIPE_BUF: in one piece.
        let _ = rustix::io::write(self.ready, format!("{}\n", line.replace('\n', " ")).as_bytes());
    }

    /// The shape stands with so many tasks; `more` is for the tester.
    pub fn ready(&self, tasks: Option<i64>, more: &str) {
        self.say(format!("ready {} {more}", tasks.map_or("?".into(), |t| t.to_string())).trim_end());
    }

    /// Tells how often the signal came.
    pub fn tell(&self, count: u32) {
        self.say(&format!("count {count}"));
    }

    /// The kernel or the privileges lack something.
    pub fn skip(&self, why: &str) -> ! {
        self.say(&format!("skip {why}"));
        offspring::exit(0)
    }

    /// The shape could not be made though it should.
    pub fn fail(&self, why: &str) -> ! {
        self.say(&format!("fail {why}"));
        offspring::exit(0)
    }

    /// The value, or a skip (what the kernel refuses as not there or not allowed) or a failure.
    pub fn must<T>(&self, what: &str, r: std::io::Result<T>) -> T {
        match r {
            Ok(v) => v,
            Err(e) => match e.raw_os_error() {
                Some(
                    libc::ENOSYS
                    | libc::EPERM
                    | libc::EACCES
                    | libc::EOPNOTSUPP
                    | libc::EINVAL
                    | libc::ENOSPC,
                ) => self.skip(&format!("{what}: {e}")),
                _ => self.fail(&format!("{what}: {e}")),
            },
        }
    }

    /// Time is over, or the tester is gone.
    pub fn over(&self) -> bool {
        clock::monotonic_ns() >= self.given.deadline || hung_up(self.leash, Duration::ZERO)
    }

    /// It is time to tell.
    pub fn stopped(&self) -> bool {
        hung_up(self.stop, Duration::ZERO) || self.over()
    }

    /// Does nothing until it is over, then ends.
    pub fn hold(&self) -> ! {
        loop {
            let left = self.given.deadline.saturating_sub(clock::monotonic_ns());
            if left == 0 || hung_up(self.leash, Duration::from_nanos(left)) {
                offspring::exit(0)
            }
        }
    }

    /// Forks a child that runs `body` and ends.
    pub fn child(&self, body: impl FnOnce()) -> i32 {
        match offspring::fork(body) {
            Ok(pid) => pid,
            Err(e) => self.fail(&format!("fork: {e}")),
        }
    }

    /// One more birth, while there are tokens.
    pub fn token(&self) -> bool {
        let mut byte = [0u8];
        matches!(rustix::io::read(self.tokens, &mut byte), Ok(1))
    }

    /// Waits until `done`; a shape that does not come about is a failure.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..3000 {
            if done() {
                return;
            }
            if self.over() {
                offspring::exit(0);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.fail(what)
    }

    /// Becomes another behaviour by exec of the same program.
    pub fn exec(&self, name: &str) -> ! {
        let argv = self.given.argv(name);
        let none: [CString; 0] = [];
        let e = nix::unistd::execve(c"/proc/self/exe", &argv, &none).err();
        self.fail(&format!("execve of /proc/self/exe: {}", e.map_or("?", |e| e.desc())))
    }

    /// Becomes a user that nobody else is and that may have so many tasks: what bounds a swarm on a host in use.
    pub fn confine(&self, tasks: u64) {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
        // Root's own limit can be lower than what a swarm needs, and root is not bound by it; its user would be.
        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NPROC)
            && hard < MOST_TASKS
        {
            let _ = setrlimit(Resource::RLIMIT_NPROC, soft, MOST_TASKS);
        }
        let (u, g) = (Uid::from_raw(self.given.uid), Gid::from_raw(self.given.uid));
        let done = setgroups(&[]).and_then(|()| setresgid(g, g, g)).and_then(|()| setresuid(u, u, u));
        self.must("becoming a user of its own (the swarm's bound)", done.map_err(std::io::Error::from));
        self.limit(tasks);
    }

    /// How many tasks the own user may have; fewer where less is allowed.
    pub fn limit(&self, tasks: u64) {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let hard = getrlimit(Resource::RLIMIT_NPROC).map_or(MOST_TASKS, |(_, hard)| hard.min(MOST_TASKS));
        let r = setrlimit(Resource::RLIMIT_NPROC, tasks.min(hard), hard);
        self.must("RLIMIT_NPROC", r.map_err(std::io::Error::from));
    }
}

/// Whether nobody holds the other end any more, or lets go of it within this time.
pub fn hung_up(fd: impl AsFd, most: Duration) -> bool {
    let t = Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() };
    let fd = fd.as_fd();
    let mut p = [PollFd::new(&fd, PollFlags::IN)];
    matches!(poll(&mut p, Some(&t)), Ok(n) if n > 0) && p[0].revents().contains(PollFlags::HUP)
}

/// The numbers for a victim's arguments.
pub fn number(fd: impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::name;

    #[test]
    fn arguments_come_back() {
        let g = Given {
            live: 3,
            ready: 4,
            leash: 5,
            stop: 6,
            tokens: 7,
            deadline: 1 << 62,
            uid: 4_000_000_000,
            size: 9,
            signal: 15,
        };
        let argv: Vec<OsString> =
            g.argv("plain").into_iter().map(|a| a.into_string().unwrap().into()).collect();
        assert_eq!(Given::parse(&argv[2..]), Some(g));
        assert_eq!(Given::parse(&argv[2..10]), None);
        assert!(name::parse(argv[1].to_str().unwrap()).is_err(), "no service can be called like a victim");
    }
}
