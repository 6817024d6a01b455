//! SIGINT and SIGTERM in the middle of a sweep: noticed between two steps, so that the gate is opened first.

use std::sync::atomic::{AtomicI32, Ordering};

/// The signal that came, 0 while none did.
static CAME: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::SeqCst);
}

/// From here on they are noted and end nothing by themselves. What is ignored stays ignored.
pub fn catch() {
    for s in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: both structs are zeroed, plain C data; the handler only stores to an atomic.
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

/// The signal that came since [`catch`].
pub fn came() -> Option<i32> {
    match CAME.load(Ordering::SeqCst) {
        0 => None,
        s => Some(s),
    }
}
