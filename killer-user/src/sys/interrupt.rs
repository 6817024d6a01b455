//! SIGINT and SIGTERM in the middle of a sweep or a wait: noticed between two steps, so that the gate is opened first.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::{inherit, signals};

/// The signal that came, 0 while none did.
static CAME: AtomicI32 = AtomicI32::new(0);
/// Readable once one came: whichever thread takes the signal, the one that sleeps wakes up. `None`: there was no
/// descriptor for it.
static BELL: OnceLock<Option<OwnedFd>> = OnceLock::new();

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::SeqCst);
    if let Some(Some(bell)) = BELL.get() {
        // SAFETY: eight bytes of a live word into a descriptor that is never closed; write(2) may be called in a handler,
        // which must leave errno as it was.
        unsafe {
            let errno = *libc::__errno_location();
            libc::write(bell.as_raw_fd(), (&raw const ONE).cast(), 8);
            *libc::__errno_location() = errno;
        }
    }
}

static ONE: u64 = 1;

/// From here on they are noted and end nothing by themselves. What is ignored stays ignored. A program that links the
/// library keeps its own handlers: nothing is done there. By hand: signal-hook installs its handlers with SA_RESTART,
/// under which flock(2) on a lock of `killer`'s that somebody holds would go on waiting when a signal has come.
pub fn catch() {
    if !inherit::is_saved() {
        return;
    }
    use rustix::event::{EventfdFlags, eventfd};
    BELL.get_or_init(|| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok());
    for s in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: both structs are zeroed, plain C data; the handler stores to an atomic and writes to an eventfd.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(s, std::ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            let mut new: libc::sigaction = std::mem::zeroed();
            new.sa_sigaction = note as *const () as usize;
            libc::sigaction(s, &new, std::ptr::null_mut());
        }
    }
}

/// From here on they wait, and what came is forgotten: what is left to do is short, and is done to its end.
pub fn hold() {
    signals::mask(libc::SIG_BLOCK, Some(signals::bit(libc::SIGINT) | signals::bit(libc::SIGTERM)));
    CAME.store(0, Ordering::SeqCst);
    if let Some(bell) = bell() {
        // Non-blocking: empty is an error.
        let _ = rustix::io::read(bell, &mut [0u8; 8]);
    }
}

/// The signal that came since [`catch`].
pub fn came() -> Option<i32> {
    match CAME.load(Ordering::SeqCst) {
        0 => None,
        s => Some(s),
    }
}

/// What wakes up a sleeping thread when one comes.
pub fn bell() -> Option<&'static OwnedFd> {
    BELL.get()?.as_ref()
}
