//! The two pipes between a test and an adversary.

use crate::process::patience;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Waits until `fd` is readable or hung up; `None` when the time is over.
pub(crate) fn poll_in(fd: BorrowedFd<'_>, limit: Duration) -> Option<PollFlags> {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return None,
            Ok(_) => return Some(fds[0].revents()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// Its write end is no number that a child may want for something else.
fn pipe() -> (OwnedFd, OwnedFd) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("pipe2");
    let write = rustix::io::fcntl_dupfd_cloexec(&write, 10).expect("fcntl");
    (read, write)
}

fn open_fifo(path: &std::path::Path) -> OwnedFd {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).expect("open of a FIFO")
}

/// Read end of the liveness pipe. Nobody ever writes to it: all that can come is the end.
#[derive(Debug)]
pub struct LivePipe(OwnedFd);

impl LivePipe {
    /// The pipe and its write end, which is to be dropped after the start.
    pub fn new() -> (LivePipe, OwnedFd) {
        let (read, write) = pipe();
        (LivePipe(read), write)
    }

    /// A new FIFO at `path`: until somebody has opened it for writing it counts as alive.
    pub fn fifo(path: &std::path::Path) -> LivePipe {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("mkfifo");
        LivePipe(open_fifo(path))
    }

    /// A FIFO that is there already.
    pub fn fifo_at(path: &std::path::Path) -> LivePipe {
        LivePipe(open_fifo(path))
    }

    /// Whether the last holder is dead, or dies within `limit`.
    pub fn eof_within(&self, limit: Duration) -> bool {
        poll_in(self.0.as_fd(), patience(limit)).is_some_and(|f| f.contains(PollFlags::HUP))
    }

    /// Whether somebody still holds the other end.
    pub fn alive(&self) -> bool {
        !self.eof_within(Duration::ZERO)
    }
}

/// What an adversary says about its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The shape stands; facts as `key=value` words.
    Ready(String),
    /// The kernel cannot do this.
    Skip(String),
    /// It should have worked.
    Fail(String),
}

/// Read end of the pipe on which shapes are announced, a line each.
#[derive(Debug)]
pub struct ReadyPipe {
    read: OwnedFd,
    pending: Vec<u8>,
}

impl ReadyPipe {
    /// The pipe and its write end.
    pub fn new() -> (ReadyPipe, OwnedFd) {
        let (read, write) = pipe();
        (ReadyPipe { read, pending: Vec::new() }, write)
    }

    /// A FIFO that is there already.
    pub fn fifo_at(path: &std::path::Path) -> ReadyPipe {
        ReadyPipe { read: open_fifo(path), pending: Vec::new() }
    }

    /// The next line; `None` when the time is over or everybody who could say something is dead.
    pub fn next(&mut self, limit: Duration) -> Option<Said> {
        let end = Instant::now() + patience(limit);
        loop {
            if let Some(at) = self.pending.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=at).collect();
                let line = String::from_utf8_lossy(&line);
                let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
                return Some(match word {
                    "ready" => Said::Ready(rest.into()),
                    "skip" => Said::Skip(rest.into()),
                    _ => Said::Fail(rest.into()),
                });
            }
            poll_in(self.read.as_fd(), end.saturating_duration_since(Instant::now()))?;
            let mut buf = [0; 512];
            match rustix::io::read(&self.read, &mut buf) {
                Ok(0) => return None,
                Ok(n) => self.pending.extend(&buf[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => panic!("read of the ready pipe: {e}"),
            }
        }
    }
}
