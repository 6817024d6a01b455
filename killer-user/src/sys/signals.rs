//! Signals as the kernel has them: every number, those too that the C library keeps to itself, with what came with them.

use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::process::Pid;

/// What comes with a signal: `siginfo_t`, 128 bytes. As on x86_64 and aarch64: number, errno, code, pad, then for
/// kill(2) and sigqueue(3) pid, uid and the value (8 bytes).
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Info([i32; 32]);

/// So much of it is the same for all processes that got the same signal: code, sender, value.
pub(super) type Likeness = [i32; 5];

impl Info {
    /// The signal's number.
    pub fn signal(&self) -> i32 {
        self.0[0]
    }

    /// `si_code`.
    pub(super) fn code(&self) -> i32 {
        self.0[2]
    }

    pub(super) fn likeness(&self) -> Likeness {
        [self.0[2], self.0[4], self.0[5], self.0[6], self.0[7]]
    }

    /// True when a process has sent it to itself, as the kernel does when a write finds no reader or no room
    /// (SIGPIPE, SIGXFSZ:
    /// `kernel/signal.c:send_sig` with `SEND_SIG_NOINFO`).
    pub(super) fn is_own(&self) -> bool {
        let own = std::process::id() as i32;
        matches!(self.code(), libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE) && self.0[4] == own
    }

    /// True when a value came with it, as sigqueue(3) sends it.
    pub(super) fn is_queued(&self) -> bool {
        self.code() == libc::SI_QUEUE
    }

    /// What sigqueue(3) of this process sends, as that user.
    pub(super) fn queued(signal: i32, uid: u32, value: i32) -> Self {
        let mut words = [0; 32];
        (words[0], words[2], words[4]) = (signal, libc::SI_QUEUE, std::process::id() as i32);
        (words[5], words[6]) = (uid as i32, value);
        Self(words)
    }
}

/// The bit of a signal in the kernel's `sigset_t`.
pub(super) const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The numbers in a set.
pub(super) fn each(set: u64) -> impl Iterator<Item = i32> {
    (1..=64).filter(move |s| set & bit(*s) != 0)
}

/// Changes the mask of this thread by the kernel's own call (the C library hides 32 to 34); answers the old one.
pub(super) fn mask(how: i32, new: Option<u64>) -> u64 {
    let mut old = 0u64;
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or points to a live word, `old` is a live word; 8 is what the kernel's sigset_t has.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, &raw mut old, size_of::<u64>()) };
    old
}

/// Those that have come and are held back.
pub(super) fn pending() -> u64 {
    let mut set = 0u64;
    // SAFETY: a live word of the size that is given.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) };
    set
}

/// Takes one of `set`, which is held back; waits for it so long, or for ever. `None`: none came, or this process was
/// stopped and goes on.
pub(super) fn take(set: u64, most: Option<Duration>) -> Option<Info> {
    let mut info = Info([0; 32]);
    let most =
        most.map(|d| libc::timespec { tv_sec: d.as_secs() as i64, tv_nsec: i64::from(d.subsec_nanos()) });
    let most = most.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the set and the time are live or null, info is the 128 bytes that the kernel fills.
    let r = unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const set, &raw mut info, most, size_of::<u64>())
    };
    (r > 0).then_some(info)
}

/// A descriptor that is readable while one of `set` has come.
pub(super) fn bell(set: u64) -> std::io::Result<OwnedFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: a live word of the size that is given; a non-negative result is a descriptor that is ours.
    unsafe {
        match libc::syscall(libc::SYS_signalfd4, -1, &raw const set, size_of::<u64>(), flags) {
            fd if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd as i32)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// Returns when no signal to a process group, or to everybody, is half-way: the kernel sends them under `tasklist_lock`
/// (`kernel/signal.c:kill_something_info`), and setpgid(2) takes it for writing before it looks for the process
/// (`kernel/sys.c`), here one whose number nobody can have.
pub(super) fn groups_are_done() {
    // It is refused.
    let _ = rustix::process::setpgid(Pid::from_raw(i32::MAX), Some(Pid::INIT));
}

/// What a signal does that nobody holds back or handles, here: this process stops as by SIGTSTP and its like, unless
/// they are ignored, or nobody could continue it (`kernel/signal.c:get_signal`).
pub(super) fn stop_as_by(signal: i32) {
    // SAFETY: sigaction only reads here, into zeroed plain data; tgkill is sent to this very thread.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &mut old) != 0 || old.sa_sigaction != libc::SIG_DFL {
            return;
        }
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), signal);
    }
    mask(libc::SIG_UNBLOCK, Some(bit(signal)));
    mask(libc::SIG_BLOCK, Some(bit(signal)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_taken() {
        let all = mask(libc::SIG_BLOCK, Some(bit(libc::SIGUSR2) | bit(40)));
        // SAFETY: both go to this thread, which holds them back.
        unsafe {
            let me = libc::syscall(libc::SYS_gettid);
            libc::syscall(libc::SYS_tgkill, libc::getpid(), me, libc::SIGUSR2);
            libc::syscall(libc::SYS_tgkill, libc::getpid(), me, 40);
        }
        assert_eq!(each(pending()).collect::<Vec<_>>(), [libc::SIGUSR2, 40]);
        let zero = Some(Duration::ZERO);
        let got = take(bit(40), zero).expect("it is there");
        assert!(got.signal() == 40 && got.is_own() && !got.is_queued());
        assert!(take(bit(40), zero).is_none());
        assert_eq!(take(bit(libc::SIGUSR2), zero).map(|i| i.signal()), Some(libc::SIGUSR2));
        groups_are_done();
        mask(libc::SIG_SETMASK, Some(all));
    }
}
