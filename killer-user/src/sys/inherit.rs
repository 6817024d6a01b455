//! What this process was given by its caller, saved before Rust's runtime changes any of it, and given back to CMD
//! (docs/internals/PROTOCOL.md 11).
//!
//! The runtime ignores SIGPIPE and opens /dev/null on closed descriptors before `main`, so the program calls [`save`] from its
//! `.init_array`. What the rest of `killer` relies on is set there, too: SIGCHLD at its default (a child of a process that
//! ignores it is reaped by nobody's call: `kernel/signal.c:do_notify_parent`), no signal for a file that grows too large, and a
//! umask under which what is made can be used. A process that never calls it is left as it is, and gives nothing back.

use super::descriptors;
use super::signals::{bit, mask};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::fs::Mode;
use rustix::process::umask;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Signal mask of the caller, bit n - 1 for signal n.
static BLOCKED: AtomicU64 = AtomicU64::new(0);
/// Those that are changed here or by the runtime, and were ignored: SIGPIPE, SIGCHLD, SIGXFSZ, SIGHUP; the same bits.
static IGNORED: AtomicU64 = AtomicU64::new(0);
/// Bit n: descriptor n (0 to 2) was closed.
static CLOSED: AtomicU32 = AtomicU32::new(0);
/// The caller's umask.
static UMASK: AtomicU32 = AtomicU32::new(0o022);
/// Soft and hard limit of each of [`LIMITS`].
static LIMIT: [[AtomicU64; 2]; LIMITS.len()] = [const { [const { AtomicU64::new(0) }; 2] }; LIMITS.len()];
/// Set when `save` ran.
static SAVED: AtomicBool = AtomicBool::new(false);

/// Dispositions that this process, or the runtime, changes.
const CHANGED: [i32; 4] = [libc::SIGPIPE, libc::SIGCHLD, libc::SIGXFSZ, libc::SIGHUP];
/// What they are set to, where anything: writing where nobody reads is an error like others, as for Rust's runtime.
const OURS: [Option<usize>; 4] = [Some(libc::SIG_IGN), Some(libc::SIG_DFL), Some(libc::SIG_IGN), None];
/// Limits that this process changes for itself.
const LIMITS: [Resource; 3] = [Resource::RLIMIT_NOFILE, Resource::RLIMIT_MEMLOCK, Resource::RLIMIT_FSIZE];
/// What this process makes is not writable for others, and usable.
const OWN_UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

/// Saves what this process was given, and sets what the program relies on. For the `.init_array` of the program `killer` and
/// nobody else: it changes umask, dispositions and limits of the whole process. It uses nothing of Rust's runtime.
pub extern "C" fn save() {
    let mut ignored = 0;
    for (s, ours) in CHANGED.into_iter().zip(OURS) {
        // SAFETY: a disposition of this process, which has run nothing yet; no handler is installed. SA_NOCLDWAIT does not outlive
        // an exec (`kernel/signal.c:flush_signal_handlers`), so there is no flag to look at. With a null new action it only reads;
        // both are zeroed, plain C data.
        let is = unsafe {
            let (mut new, mut old): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
            new.sa_sigaction = ours.unwrap_or_default();
            new.sa_flags = libc::SA_RESTART;
            let new = if ours.is_some() { &raw const new } else { std::ptr::null() };
            libc::sigaction(s, new, &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
        };
        ignored |= if is { bit(s) } else { 0 };
    }
    let mut closed = 0;
    for fd in descriptors::closed_standard() {
        closed |= 1 << fd;
        // It gets the lowest number that is free, this one. The runtime aborts where there is no /dev/null.
        descriptors::nothing();
    }
    for (at, resource) in LIMITS.into_iter().enumerate() {
        let (soft, hard) = getrlimit(resource).unwrap_or((0, 0));
        LIMIT[at][0].store(soft, Ordering::Relaxed);
        LIMIT[at][1].store(hard, Ordering::Relaxed);
        if resource == Resource::RLIMIT_FSIZE && soft != hard {
            // The registry is a file, too.
            let _ = setrlimit(resource, hard, hard);
        }
    }
    BLOCKED.store(mask(libc::SIG_BLOCK, None), Ordering::Relaxed);
    IGNORED.store(ignored, Ordering::Relaxed);
    CLOSED.store(closed, Ordering::Relaxed);
    UMASK.store(umask(OWN_UMASK).bits(), Ordering::Relaxed);
    SAVED.store(true, Ordering::Relaxed);
}

/// True after [`save`].
pub fn is_saved() -> bool {
    SAVED.load(Ordering::Relaxed)
}

/// Soft and hard limit of open files, as the caller gave them.
pub(super) fn open_files() -> Option<(u64, u64)> {
    let [soft, hard] = [0, 1].map(|i| LIMIT[0][i].load(Ordering::Relaxed));
    (is_saved() && hard != 0).then_some((soft, hard))
}

/// True when the caller had closed descriptor `fd` (0 to 2): the runtime has opened /dev/null there since.
pub fn was_closed(fd: i32) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << fd) != 0
}

/// Gives dispositions, mask, limits and umask back; of the descriptors 0 to 2 those that were closed, with `descriptors`. Only
/// calls that are safe in a forked child.
pub(super) fn give_back(descriptors: bool) {
    if !is_saved() {
        return;
    }
    let (ignored, closed) = (IGNORED.load(Ordering::Relaxed), CLOSED.load(Ordering::Relaxed));
    for s in CHANGED {
        let how = if ignored & bit(s) != 0 { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: no handler is installed.
        unsafe { libc::signal(s, how) };
    }
    for (at, resource) in LIMITS.into_iter().enumerate() {
        let [soft, hard] = [0, 1].map(|i| LIMIT[at][i].load(Ordering::Relaxed));
        let _ = setrlimit(resource, soft, hard);
    }
    for fd in 0..3 {
        if descriptors && closed & (1 << fd) != 0 {
            // SAFETY: the /dev/null that the runtime has opened there; the child goes on to exec.
            unsafe { libc::close(fd) };
        }
    }
    umask(Mode::from_bits_retain(UMASK.load(Ordering::Relaxed)));
    mask(libc::SIG_SETMASK, Some(BLOCKED.load(Ordering::Relaxed)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_relied_on() {
        save();
        assert!(is_saved());
        // SAFETY: only reads.
        let child = unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut old);
            old.sa_sigaction
        };
        assert_eq!(child, libc::SIG_DFL);
        assert_ne!(LIMIT[0][1].load(Ordering::Relaxed), 0);
    }
}
