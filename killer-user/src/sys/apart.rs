//! A process of its own for looks that may never come back: it holds one descriptor and nothing else of this one (no lock, no map), so
//! that nobody waits for it when it is given up.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::{child, descriptors, signals, supervise};

/// One that was started. It is ended when it is dropped.
#[derive(Debug)]
pub struct Apart {
    pid: i32,
}

/// Starts `work` with the writing end of a pipe, whose other end comes back. Only while this process has one thread.
pub fn start(work: impl FnOnce(OwnedFd) -> io::Result<()>) -> io::Result<(Apart, OwnedFd)> {
    let (from, to) = supervise::pipe()?;
    let parent = std::process::id();
    let Some(pid) = supervise::fork()? else {
        // A signal from a terminal is for the one that waits; its handler would write to a descriptor that is another one's by now.
        signals::mask(libc::SIG_BLOCK, Some(signals::bit(libc::SIGINT) | signals::bit(libc::SIGTERM)));
        // SAFETY: plain numbers. It ends with the one that reads, also with one that is killed; one that has ended before is seen below.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        descriptors::close_standard();
        descriptors::close_all_but(&[to.as_raw_fd()]);
        // The other end went with the others.
        std::mem::forget(from);
        let is_orphan = rustix::process::getppid().is_none_or(|p| p.as_raw_nonzero().get() as u32 != parent);
        let failed =
            is_orphan || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(to))).is_err();
        supervise::exit(failed.into())
    };
    Ok((Apart { pid }, from))
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        // Not one that hangs in the kernel: it is init's to wait for.
        for _ in 0..100 {
            if !matches!(child::ended(self.pid), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
