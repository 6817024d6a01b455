//! Something that has to be undone, also when this process is killed before it could do that: a child waits for its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{child, supervise};

/// The child; it goes, and does nothing, when this is dropped.
#[derive(Debug)]
pub struct Afterwards {
    pid: i32,
    owner: u32,
    _line: OwnedFd,
}

/// Starts a child that does `work` once this process has ended. It keeps one descriptor of this process's, and no lock and no
/// terminal. Only while this process has one thread.
///
/// # Errors
/// There is no descriptor or no process for it.
pub fn start(keep: BorrowedFd<'_>, work: impl FnOnce()) -> io::Result<Afterwards> {
    let (ours, line) = supervise::line()?;
    let owner = std::process::id();
    let Some(pid) = supervise::fork()? else {
        supervise::let_go(&[keep, line.as_fd()]);
        // The other end went with the others.
        std::mem::forget(ours);
        let _ = rustix::thread::set_name(c"killer-undo");
        // Nothing is ever written: it is readable when nobody has the other end any more.
        let _ = rustix::io::read(&line, &mut [0u8]);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        supervise::exit(0)
    };
    Ok(Afterwards { pid, owner, _line: ours })
}

impl Drop for Afterwards {
    fn drop(&mut self) {
        // A copy of this process has no part in it.
        if std::process::id() == self.owner {
            child::end(self.pid);
        }
    }
}
