//! Descriptors that must not go on with somebody: the caller's in a process that stays behind, anything in a detached CMD.
//!
//! What a caller has left open has come over exec(2), and so without close-on-exec; all that this program opens has it.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::resource::{Resource, getrlimit};

/// `CLOSE_RANGE_CLOEXEC` (5.11+)
const RANGE_CLOEXEC: libc::c_uint = 4;
/// So many are looked at where neither the kernel nor /proc helps: the kernel's default for the highest (`fs.nr_open`).
const MOST: u64 = 1 << 20;

/// Calls `f` for every open descriptor from `first` on, some that are not open included. Allocates nothing: right in a forked
/// child.
fn each(first: RawFd, f: &mut dyn FnMut(RawFd)) {
    // SAFETY: a literal path; what is opened is closed below.
    let dir = unsafe {
        libc::open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
    };
    if dir < 0 {
        let hard = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard);
        let most = hard.clamp(1 << 16, MOST) as RawFd;
        (first..most).for_each(f);
        return;
    }
    // struct linux_dirent64: inode and offset (8 each), length of the record (2), type (1), name.
    let mut buf = [0u8; 4096];
    loop {
        // SAFETY: buf is live for its whole length.
        let n = unsafe { libc::syscall(libc::SYS_getdents64, dir, buf.as_mut_ptr(), buf.len()) };
        let mut at = 0usize;
        while at + 19 < n.max(0) as usize {
            let length = usize::from(u16::from_ne_bytes([buf[at + 16], buf[at + 17]]));
            let end = (at + length).min(buf.len());
            let name = buf[at + 19..end].split(|b| *b == 0).next().unwrap_or_default();
            if let Some(fd) = std::str::from_utf8(name).ok().and_then(|n| n.parse().ok())
                && fd >= first
                && fd != dir
            {
                f(fd);
            }
            at += length.max(1);
        }
        if n <= 0 {
            break;
        }
    }
    // SAFETY: opened above.
    unsafe { libc::close(dir) };
}

/// Closes all from `first` on when this process executes a program.
pub(super) fn close_at_exec(first: RawFd) {
    // SAFETY: plain numbers; before 5.9 there is no such call, before 5.11 no such flag.
    let r = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, RANGE_CLOEXEC) };
    if r != 0 {
        each(first, &mut |fd| {
            // SAFETY: changes a flag of a descriptor.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        });
    }
}

/// Closes what the caller has left open, from 3 on, but `keep`.
pub(super) fn close_callers(keep: &[RawFd]) {
    each(3, &mut |fd| {
        // SAFETY: F_GETFD only asks; what has no close-on-exec is nothing of this program's.
        unsafe {
            let flags = libc::fcntl(fd, libc::F_GETFD);
            if flags >= 0 && flags & libc::FD_CLOEXEC == 0 && !keep.contains(&fd) {
                libc::close(fd);
            }
        }
    });
}

/// Set when this process, or one that it is a fork of, has closed all of them.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// True when descriptors that somebody keeps by their number may have been closed here.
pub(super) fn were_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Closes all from 3 on but `keep`, for a process that uses nothing else any more. Nothing else in `killer` closes what it has not
/// opened itself.
pub(super) fn close_all_but(keep: &[RawFd]) {
    CLOSED.store(true, Ordering::Relaxed);
    each(3, &mut |fd| {
        if !keep.contains(&fd) {
            // SAFETY: this process goes on with `keep` alone.
            unsafe { libc::close(fd) };
        }
    });
}

/// Something to read nothing from and to write into for descriptors 0 to 2: /dev/null, or where there is none what takes the
/// number and answers EISDIR and EBADF.
pub(super) fn nothing() -> RawFd {
    // SAFETY: literal paths.
    unsafe {
        match libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) {
            fd if fd >= 0 => fd,
            // Not O_PATH: for poll(2), with which the runtime looks at them, that is not open.
            _ => libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC),
        }
    }
}

/// Those of the descriptors 0 to 2 that are closed, in order.
pub(super) fn closed_standard() -> impl Iterator<Item = RawFd> {
    let mut all = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three live records; a poll that waits for nothing.
    let told = unsafe { libc::poll(all.as_mut_ptr(), 3, 0) } >= 0;
    all.into_iter().filter_map(move |p| {
        let closed = match told {
            true => p.revents & libc::POLLNVAL != 0,
            // Fewer than three may be open at once (RLIMIT_NOFILE), for which poll fails.
            // SAFETY: F_GETFD only asks.
            false => unsafe { libc::fcntl(p.fd, libc::F_GETFD) < 0 },
        };
        closed.then_some(p.fd)
    })
}

/// Points descriptors 0 to 2 away from whatever they were.
pub(super) fn close_standard() {
    let fd = nothing();
    for n in 0..3 {
        // SAFETY: this process's own descriptors.
        unsafe {
            match fd {
                _ if fd == n => libc::fcntl(n, libc::F_SETFD, 0),
                0.. => libc::dup2(fd, n),
                _ => libc::close(n),
            }
        };
    }
    if fd > 2 {
        // SAFETY: opened above.
        unsafe { libc::close(fd) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn each_finds_what_is_open() {
        let file = std::fs::File::open("/").unwrap();
        let mut found = Vec::new();
        each(3, &mut |fd| found.push(fd));
        assert!(found.contains(&file.as_raw_fd()) && found.iter().all(|fd| *fd > 2), "{found:?}");
    }
}
