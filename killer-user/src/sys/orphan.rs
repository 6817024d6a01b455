//! A child that begins as an orphan: another process forks it and ends, so that its parent is its parent for life. A process that
//! asks to die with its parent (`PR_SET_PDEATHSIG`) would else die with a launcher that goes right after.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::child;
use super::{proc, supervise};

/// How long an orphan that is about to end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a start came to: the child's number, or an error with that of a child that waits all the same.
pub(super) type Started = Result<i32, (Option<i32>, io::Error)>;

/// Has a process of its own call `start`, with the descriptors that the child has to close. When it answers, that process has
/// been waited for, and so its children have been given away (`kernel/exit.c:exit_notify` does that before it wakes the parent).
pub(super) fn by_another(start: impl FnOnce(&[RawFd]) -> Started) -> Started {
    let here = |e: io::Error| (None, e);
    let (from, to) = supervise::pipe().map_err(here)?;
    let Some(starter) = supervise::fork().map_err(here)? else {
        let started = start(&[from.as_raw_fd(), to.as_raw_fd()]);
        let _ = std::fs::File::from(to).write_all(&encode(&started));
        supervise::exit(0)
    };
    drop(to);
    let mut bytes = Vec::new();
    let read = std::fs::File::from(from).read_to_end(&mut bytes);
    let waited = child::wait(starter);
    read.and(waited.map(|_| 0)).map_err(here)?;
    decode(&bytes)
}

fn encode(started: &Started) -> Vec<u8> {
    let (pid, errno, text) = match started {
        Ok(pid) => (*pid, 0, String::new()),
        Err((pid, e)) => match e.raw_os_error() {
            Some(n) => (pid.unwrap_or(0), n, String::new()),
            None => (pid.unwrap_or(0), 0, e.to_string()),
        },
    };
    [&pid.to_ne_bytes(), &errno.to_ne_bytes(), text.as_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Started {
    let word = |at: usize| Some(i32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (Some(pid), Some(errno)) = (word(0), word(4)) else {
        return Err((None, io::Error::other("the process that was to start CMD died before it had")));
    };
    match (errno, &bytes[8..]) {
        (0, []) => Ok(pid),
        (0, text) => {
            Err(((pid != 0).then_some(pid), io::Error::other(String::from_utf8_lossy(text).into_owned())))
        }
        (n, _) => Err(((pid != 0).then_some(pid), io::Error::from_raw_os_error(n))),
    }
}

/// Waits for an orphan that is about to end: others reap it.
pub(super) fn ended(fd: &OwnedFd) {
    let step = Duration::from_millis(50);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if proc::pidfd_ended(fd) {
            return;
        }
        proc::pidfd_wait(fd, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let back =
            |s: Started| decode(&encode(&s)).map_err(|(pid, e)| (pid, e.raw_os_error(), e.to_string()));
        assert_eq!(back(Ok(7)), Ok(7));
        let e = back(Err((Some(7), io::Error::from_raw_os_error(libc::EPERM))));
        assert!(matches!(e, Err((Some(7), Some(libc::EPERM), _))));
        assert_eq!(back(Err((None, io::Error::other("a b")))), Err((None, None, "a b".into())));
        assert!(decode(&[]).is_err());
    }
}
