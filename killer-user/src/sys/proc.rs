//! Signals to processes, by pidfd only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Opens a pidfd (5.3+). The pid is resolved in the caller's PID namespace.
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; a non-negative result is a descriptor that is ours.
    let r = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    if r < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: see above.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(r as i32) })
}

/// Inode and filesystem device of a pidfd; on pidfs (6.9+) the inode names the process for this boot.
pub fn pidfd_inode(fd: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(fd)?.st_ino)
}

/// Sends a signal; with a value as sigqueue(3) does.
pub fn pidfd_send(fd: impl AsFd, signal: i32, value: Option<i32>) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let r = match value {
        // SAFETY: no pointer is passed but null.
        None => unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<u8>(), 0) },
        Some(v) => {
            // The layout of siginfo_t with SI_QUEUE, 128 bytes: signo, errno, code, pad, pid, uid, value.
            let mut info = [0i32; 32];
            info[0] = signal;
            info[2] = libc::SI_QUEUE;
            info[4] = std::process::id() as i32;
            // SAFETY: getuid cannot fail.
            info[5] = unsafe { libc::getuid() } as i32;
            info[6] = v;
            // SAFETY: info is 128 live bytes, what the kernel copies as siginfo_t.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info.as_ptr(), 0) }
        }
    };
    if r == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// True when the process behind the pidfd has ended, to its last thread.
pub fn pidfd_ended(fd: impl AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let zero = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut p = [PollFd::new(&fd, PollFlags::IN)];
    matches!(poll(&mut p, Some(&zero)), Ok(n) if n > 0)
}
