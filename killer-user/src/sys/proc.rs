//! Signals to processes, by pidfd only; where there is none (before 5.3), by the process's open directory in /proc,
//! which is as much the one process, and kill(2) between two looks through it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getuid};

use super::signals::Info;

/// Opens a pidfd (5.3+). The pid is resolved in the caller's PID namespace. The kernel itself refuses it to nobody:
/// EPERM is a filter's word for "not there", as ENOSYS is the kernel's.
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // As the kernel says it of a number that no process can have.
    let number = valid(pid).ok_or(Errno::INVAL)?;
    match rustix::process::pidfd_open(number, PidfdFlags::empty()) {
        Err(Errno::NOSYS | Errno::PERM) => no_pidfd::open(pid),
        r => Ok(r?),
    }
}

/// The number as the kernel takes it, where a process can have it.
fn valid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// What `pidfd_open` says when no process has the number: a thread's is EINVAL, from 6.15 on ENOENT
/// (`kernel/fork.c:pidfd_prepare`).
pub fn none_there(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ESRCH | libc::EINVAL | libc::ENOENT))
}

/// True when a descriptor could not be had because there are none left, here or on the host.
pub fn no_room(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// False when the kernel says that nobody has this number. It is asked without /proc, which may hide somebody
/// (`hidepid=`), or fail to be read.
pub fn exists(pid: u32) -> bool {
    valid(pid).is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

/// Process group and session of whoever has this number now, in the caller's PID namespace, as `stat` shows them.
pub fn group_and_session(pid: u32) -> Option<(u32, u32)> {
    let pid = valid(pid)?.as_raw_nonzero().get();
    // By hand: rustix takes 0 for no number, and both can be that (the session of the first processes of a host).
    // SAFETY: plain numbers.
    let (group, session) = unsafe { (libc::getpgid(pid), libc::getsid(pid)) };
    Some((u32::try_from(group).ok()?, u32::try_from(session).ok()?))
}

/// Why /proc cannot be trusted: it is not there, or shows another PID namespace, where the same numbers are others.
pub fn mounted() -> Result<(), &'static str> {
    match std::fs::read_link("/proc/self") {
        Ok(me) if me.to_str() == Some(&std::process::id().to_string()) => Ok(()),
        _ if !std::path::Path::new("/proc/stat").exists() => Err("nothing is mounted at /proc"),
        _ => Err("the /proc here shows another PID namespace"),
    }
}

/// Inode of a pidfd; on pidfs (6.9+) it names the process for this boot.
///
/// # Errors
/// It is none: a directory's inode says nothing.
pub fn pidfd_inode(fd: impl AsFd) -> io::Result<u64> {
    if no_pidfd::is(&fd) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(rustix::fs::fstat(fd)?.st_ino)
}

/// Sends a signal; with a value as sigqueue(3) does.
pub fn pidfd_send(fd: impl AsFd, signal: i32, value: Option<i32>) -> io::Result<()> {
    match value {
        None => send(fd.as_fd(), signal, None),
        Some(v) => send(fd.as_fd(), signal, Some(&Info::queued(signal, getuid().as_raw(), v))),
    }
}

/// Sends on what somebody has queued: with his value, as from him. The kernel refuses it for what kill(2) sends.
pub(super) fn pidfd_send_as(fd: impl AsFd, info: &Info) -> io::Result<()> {
    send(fd.as_fd(), info.signal(), Some(info))
}

/// By hand: rustix sends neither 0, nor what the C library keeps to itself, nor siginfo.
fn send(fd: BorrowedFd<'_>, signal: i32, info: Option<&Info>) -> io::Result<()> {
    if no_pidfd::is(&fd) {
        return no_pidfd::send(fd, signal, info);
    }
    let info = info.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: info is null or the 128 live bytes that the kernel copies as siginfo_t.
    let r = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, info, 0) };
    if r == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// True when the process behind the pidfd has ended, to its last thread.
pub fn pidfd_ended(fd: impl AsFd) -> bool {
    if no_pidfd::is(&fd) {
        return no_pidfd::ended(fd.as_fd());
    }
    use rustix::event::{PollFd, PollFlags, poll};
    let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut p = [PollFd::new(&fd, PollFlags::IN)];
    matches!(poll(&mut p, Some(&zero)), Ok(n) if n > 0)
}

/// True when a descriptor is readable, or becomes so before long.
pub fn readable(fd: impl AsFd, most: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let t = rustix::time::Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
    matches!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&t)), Ok(n) if n > 0)
}

/// Sleeps until the process behind the pidfd has ended, or so long.
pub fn pidfd_wait(fd: impl AsFd, most: std::time::Duration) {
    if no_pidfd::is(&fd) {
        std::thread::sleep(most.min(std::time::Duration::from_millis(2)));
        return;
    }
    use rustix::event::{PollFd, PollFlags, poll};
    let t = rustix::time::Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
    let mut p = [PollFd::new(&fd, PollFlags::IN)];
    let _ = poll(&mut p, Some(&t));
}

/// Processes of which any one's end wakes up the one that waits.
#[derive(Debug)]
pub struct Ends {
    held: Vec<OwnedFd>,
    all: bool,
}

/// While somebody's end may go unnoticed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The same where no descriptor tells of an end.
const LOOK_SOON: Duration = Duration::from_millis(2);

impl Ends {
    /// Of these processes; `all`: nobody else's end matters.
    pub fn new(held: Vec<OwnedFd>, all: bool) -> Self {
        Self { held, all }
    }

    /// Sleeps until one of them has ended, `wake` is readable, a signal came, or so long. Where the end of somebody
    /// may go unnoticed it is a short time at most.
    pub fn wait(&self, wake: Option<&OwnedFd>, most: Duration) {
        use rustix::event::{PollFd, PollFlags, poll};
        // The directory of a process is always ready, whatever becomes of the process.
        let blind = self.held.is_empty() || self.held.iter().any(no_pidfd::is);
        let most = match (blind, self.all) {
            (true, _) => most.min(LOOK_SOON),
            (false, false) => most.min(LOOK_AGAIN),
            (false, true) => most,
        };
        let held = self.held.iter().filter(|_| !blind);
        let mut all: Vec<PollFd<'_>> = held.chain(wake).map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let t =
            rustix::time::Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
        // An error would be a signal, or no memory for a moment: a caller that waits looks again.
        let _ = poll(&mut all, Some(&t));
    }
}

/// Before 5.3: a process's directory in /proc. It stays the one process's whatever becomes of the number
/// (`fs/proc/base.c:proc_pid_make_inode` holds its `struct pid`), and what is read through it fails once that is reaped.
mod no_pidfd {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::sys::entry::Entry;
    use crate::sys::signals::Info;

    /// Set when a process was opened so: other descriptors then need to be told apart.
    static USED: AtomicBool = AtomicBool::new(false);

    pub fn open(pid: u32) -> io::Result<OwnedFd> {
        USED.store(true, Ordering::Relaxed);
        let of = |e: io::Error| if e.raw_os_error() == Some(libc::ENOENT) { gone() } else { e };
        let fd = Entry::open(pid).map_err(of)?.into_fd();
        // As the kernel's pidfd_open has it: one that has ended and was not reaped is there, a thread's number is
        // nobody's.
        match leads(fd.as_fd()) {
            Some(true) => Ok(fd),
            Some(false) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            None => Err(gone()),
        }
    }

    /// What is to be read of it, in bytes: a name need not be UTF-8.
    fn read(fd: BorrowedFd<'_>, file: &str) -> Option<Vec<u8>> {
        use rustix::fs::{Mode, OFlags};
        let f = rustix::fs::openat(fd, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut std::fs::File::from(f), &mut bytes).ok()?;
        Some(bytes)
    }

    /// Whether it is a process, and not another thread of one: its own number is the group's; `None` when it is reaped.
    fn leads(fd: BorrowedFd<'_>) -> Option<bool> {
        let status = read(fd, "status")?;
        let number = |key: &[u8]| status.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(key));
        Some(number(b"Tgid:")? == number(b"Pid:")?)
    }

    fn gone() -> io::Error {
        io::Error::from_raw_os_error(libc::ESRCH)
    }

    pub fn is(fd: &impl AsFd) -> bool {
        USED.load(Ordering::Relaxed)
            && rustix::fs::fstat(fd).is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode).is_dir())
    }

    /// Number, state and threads from its `stat`; `None` when it is reaped. The name in it can hold any byte,
    /// parentheses too.
    fn stat(fd: BorrowedFd<'_>) -> Option<(i32, char, i64)> {
        let bytes = read(fd, "stat")?;
        let after = bytes.iter().rposition(|b| *b == b')')? + 1;
        let number = std::str::from_utf8(bytes.split(|b| *b == b' ').next()?).ok()?.parse().ok()?;
        let mut fields = std::str::from_utf8(&bytes[after..]).ok()?.split_whitespace();
        let state = fields.next()?.chars().next()?;
        Some((number, state, fields.nth(16)?.parse().ok()?))
    }

    pub fn ended(fd: BorrowedFd<'_>) -> bool {
        stat(fd).is_none_or(|(_, state, threads)| matches!(state, 'Z' | 'X') && threads <= 1)
    }

    pub fn send(fd: BorrowedFd<'_>, signal: i32, info: Option<&Info>) -> io::Result<()> {
        let (pid, ..) = stat(fd).ok_or_else(gone)?;
        let r = match info {
            // SAFETY: plain numbers.
            None => unsafe { libc::kill(pid, signal) }.into(),
            // SAFETY: info is the 128 live bytes that the kernel copies as siginfo_t.
            Some(info) => unsafe {
                libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, std::ptr::from_ref(info))
            },
        };
        if r != 0 {
            return Err(io::Error::last_os_error());
        }
        // Reaped meanwhile: what the number meant at the call is not known.
        stat(fd).map(drop).ok_or_else(gone)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_child_by_its_directory() {
            let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
            let fd = open(child.id()).unwrap();
            assert!(is(&fd) && !ended(fd.as_fd()));
            send(fd.as_fd(), 0, None).unwrap();
            send(fd.as_fd(), libc::SIGKILL, None).unwrap();
            for _ in 0..2000 {
                if ended(fd.as_fd()) {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            assert!(ended(fd.as_fd()), "a zombie has ended");
            assert!(open(child.id()).is_ok_and(|fd| ended(fd.as_fd())), "and is there until it is reaped");
            child.wait().unwrap();
            assert!(ended(fd.as_fd()));
            assert_eq!(send(fd.as_fd(), 0, None).unwrap_err().raw_os_error(), Some(libc::ESRCH));
            assert!(open(u32::MAX >> 1).is_err());
            assert_eq!(open(child.id()).unwrap_err().raw_os_error(), Some(libc::ESRCH));
            let thread = std::thread::spawn(|| open(rustix::thread::gettid().as_raw_nonzero().get() as u32));
            assert_eq!(thread.join().unwrap().unwrap_err().raw_os_error(), Some(libc::EINVAL));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_no_process() {
        let thread = std::thread::spawn(|| {
            let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
            (pidfd_open(tid).map_err(|e| none_there(&e)).err(), exists(tid))
        });
        assert_eq!(thread.join().expect("a thread"), (Some(true), true));
        assert!(exists(std::process::id()) && exists(1));
        for nobody in [0, u32::MAX, 1 << 31, 1 << 30] {
            assert!(!exists(nobody), "{nobody}");
            assert!(pidfd_open(nobody).is_err_and(|e| none_there(&e)), "{nobody}");
        }
        assert_eq!(mounted(), Ok(()));
    }
}
