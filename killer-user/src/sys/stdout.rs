//! Writing to stdout so that what is lost is told: the standard library takes a descriptor that is closed or not for writing as
//! success, and gives up on one that does not block.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::inherit;

/// Writes all of it. Errors: write(2)'s; EBADF also when the caller had closed stdout.
pub fn print(mut text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    if inherit::was_closed(1) {
        return Err(Errno::BADF.into());
    }
    let out = io::stdout().lock();
    let fd = out.as_fd();
    let _at_limit = within_limits();
    while !text.is_empty() {
        match rustix::io::write(fd, text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => text = &text[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // The other end sets it for all of us, and reads when it likes.
                let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// While it is held, a file-size limit is an error like others, not the end of this process. In the program itself it has been so
/// from the start.
pub fn within_limits() -> Option<Unheard> {
    (!inherit::is_saved()).then(|| Unheard::new(libc::SIGXFSZ))
}

/// A signal that is ignored for a while: what this process starts later has the old disposition.
#[derive(Debug)]
pub struct Unheard(i32, libc::sighandler_t);

impl Unheard {
    fn new(signal: i32) -> Self {
        // SAFETY: sets a disposition; no handler is installed.
        Self(signal, unsafe { libc::signal(signal, libc::SIG_IGN) })
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if self.1 != libc::SIG_ERR {
            // SAFETY: the disposition that was there before.
            unsafe { libc::signal(self.0, self.1) };
        }
    }
}
