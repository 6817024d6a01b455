//! A supervisor beside a launcher: it goes on when the launcher is killed. A child of the launcher, in a session and
//! process group of its own, in `/`, with no descriptor of the caller's; nothing that can be held back ends it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::time::{Duration, Instant};

use super::child;
use super::daemon::Report;
use super::{descriptors, proc, signals, supervise};

/// What is told in one message.
const WORDS: usize = 3;
/// How long a supervisor may take to hear what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after CMD's end the launcher may take to begin with what has to be done.
const GRACE: Duration = Duration::from_secs(5);
/// Looks at processes whose end no descriptor tells of.
const LOOK: Duration = Duration::from_millis(50);

/// The launcher's side.
#[derive(Debug)]
pub struct Watch {
    pid: i32,
    owner: u32,
    /// It was waited for.
    gone: bool,
    line: OwnedFd,
}

impl Watch {
    /// Starts one that lives `life`, without what is for the launcher's caller. This process has one thread.
    pub fn start(report: Option<&Report>, life: impl FnOnce(&Watched)) -> io::Result<Self> {
        let (line, other) = supervise::line()?;
        let owner = std::process::id();
        if let Some(pid) = supervise::fork()? {
            return Ok(Self { pid, owner, gone: false, line });
        }
        drop(line);
        report.into_iter().for_each(Report::shut);
        signals::mask(libc::SIG_SETMASK, Some(u64::MAX));
        // It cannot fail in a fresh child.
        let _ = rustix::process::setsid();
        let _ = rustix::thread::set_name(c"killer-watch");
        let launcher = proc::pidfd_open(owner);
        // While it is the parent nobody else has its number.
        let launcher = (parent_id() == owner).then_some(launcher);
        descriptors::close_callers(&[other.as_raw_fd()]);
        descriptors::close_standard();
        let _ = std::env::set_current_dir("/");
        if let Some(Ok(launcher)) = launcher {
            life(&Watched { line: other, launcher });
        }
        supervise::exit(0)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// Tells it what it watches over; an error when it has not heard it.
    pub fn tell(&self, words: [u64; WORDS]) -> io::Result<()> {
        rustix::io::write(&self.line, bytemuck::bytes_of(&words))?;
        let mut heard = [0u8];
        match proc::readable(&self.line, PATIENCE).then(|| rustix::io::read(&self.line, &mut heard)) {
            Some(Ok(1)) => Ok(()),
            _ => Err(io::Error::other("the supervisor has ended before CMD was there")),
        }
    }

    /// Tells it that the launcher does what has to be done.
    pub fn begun(&self) {
        let _ = rustix::io::write(&self.line, &[0]);
    }

    /// True when it has ended, or somebody holds it, so that it is ended: it watches over nothing any more.
    pub fn ended(&mut self) -> bool {
        let mut st = 0;
        // SAFETY: st is a live int; a child of this process that was not waited for.
        let r = unsafe {
            match self.gone {
                true => 0,
                false => libc::waitpid(self.pid, &mut st, libc::WNOHANG | libc::WUNTRACED),
            }
        };
        if r == self.pid && libc::WIFSTOPPED(st) {
            self.end();
        } else if r != 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            self.gone = true;
        }
        self.gone
    }

    fn end(&mut self) {
        child::end(self.pid);
        self.gone = true;
    }
}

impl Drop for Watch {
    /// It is let go when its work is done, or there was none; a launcher that panics leaves it to it. A copy of the
    /// launcher has no part in it.
    fn drop(&mut self) {
        if !self.gone && std::process::id() == self.owner && !std::thread::panicking() {
            self.end();
        }
    }
}

/// The supervisor's side.
#[derive(Debug)]
pub struct Watched {
    line: OwnedFd,
    launcher: OwnedFd,
}

impl Watched {
    /// What the launcher tells first; `None`: it has ended before.
    pub fn hear(&self) -> Option<[u64; WORDS]> {
        loop {
            self.sleep([None; 2], None);
            if proc::readable(&self.line, Duration::ZERO) {
                let mut words = [0u64; WORDS];
                let n = rustix::io::read(&self.line, bytemuck::bytes_of_mut(&mut words)).ok()?;
                return (n == 8 * WORDS).then_some(words);
            }
            if proc::pidfd_ended(&self.launcher) {
                return None;
            }
        }
    }

    /// Says that it was heard, and done what there was to do.
    pub fn heard(&self) {
        let _ = rustix::io::write(&self.line, &[0]);
    }

    /// Returns when the launcher has ended, or the owner, or CMD has and the launcher (stopped, or hung) does nothing about it.
    pub fn wait(&self, mut cmd: Option<OwnedFd>, owner: Option<&OwnedFd>) {
        let mut until: Option<Instant> = None;
        loop {
            self.sleep([cmd.as_ref(), owner], until.map(|u| u.saturating_duration_since(Instant::now())));
            if owner.is_some_and(proc::pidfd_ended)
                || proc::pidfd_ended(&self.launcher)
                || until.is_some_and(|u| Instant::now() >= u)
            {
                return;
            }
            if proc::readable(&self.line, Duration::ZERO) {
                match rustix::io::read(&self.line, &mut [0u8; 8 * WORDS]) {
                    // The launcher's end of it is gone, and so is the launcher.
                    Ok(0) | Err(_) => return,
                    Ok(_) => (cmd, until) = (None, None),
                }
            }
            if cmd.as_ref().is_some_and(proc::pidfd_ended) {
                (cmd, until) = (None, Some(Instant::now() + GRACE));
            }
        }
    }

    /// Sleeps until something of it may have changed, or so long.
    fn sleep(&self, others: [Option<&OwnedFd>; 2], most: Option<Duration>) {
        use rustix::event::{PollFd, PollFlags, poll};
        let processes: Vec<&OwnedFd> = others.into_iter().flatten().chain([&self.launcher]).collect();
        // The directory of a process is always ready: it tells nothing.
        let (tell, blind): (Vec<_>, Vec<_>) =
            processes.into_iter().partition(|fd| proc::pidfd_inode(fd).is_ok());
        let most = if blind.is_empty() { most } else { Some(most.map_or(LOOK, |m| m.min(LOOK))) };
        let t = most.map(|m| rustix::time::Timespec {
            tv_sec: m.as_secs() as i64,
            tv_nsec: i64::from(m.subsec_nanos()),
        });
        let mut fds: Vec<PollFd<'_>> =
            tell.into_iter().chain([&self.line]).map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let _ = poll(&mut fds, t.as_ref());
    }
}
