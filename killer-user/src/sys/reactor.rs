//! Descriptors of others in tokio's reactor.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Waits for a descriptor in the runtime that this is called in.
pub fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is the same open descriptor as long as it lives, and gives no other one by `as_raw_fd`.
    unsafe { AsyncFd::register(fd) }.map_err(Into::into)
}
