//! A supervisor that orphans come to: fork, `PR_SET_CHILD_SUBREAPER`, and waiting until nobody is left.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::descriptors;

/// What a terminal, a shell or a caller's alarm sends.
const CALLERS: [i32; 8] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGPIPE,
];

/// A pipe: (read, write).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Two ends of a line, on which each message comes as a whole.
pub(super) fn line() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Forks: the child's number in the parent, `None` in the child, which goes on as a copy. Only while this process has one
/// thread.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: this process has one thread here (callers start none before), so the child is a whole copy.
    match unsafe { libc::fork() } {
        n if n < 0 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        n => Ok(Some(n)),
    }
}

/// As [`fork`], of a child that outlives this process: it leaves no zombie at its end where the kernel can see to that itself (7.1+).
/// On other kernels it needs a process that waits for it: this one while it is there, then the one that orphans come to. Where the
/// kernel can, a wait for it is ECHILD.
pub fn fork_for_good() -> io::Result<Option<i32>> {
    super::offspring::fork_unwaited().or_else(|_| fork())
}

/// From here on orphans among the descendants of this process become its children (3.4+).
pub fn become_subreaper() -> io::Result<()> {
    // The number says no more than "on".
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::Pid::INIT))?)
}

/// Lets go of the caller's world: a session of its own, no signal that a terminal or a shell sends, no descriptor but
/// `keep`.
pub fn let_go(keep: &[BorrowedFd<'_>]) {
    let _ = rustix::process::setsid();
    // SAFETY: no pointer but literals; dispositions and descriptors are this process's own, which goes on in a loop that
    // uses `keep` and what it opens itself.
    unsafe {
        for s in CALLERS {
            libc::signal(s, libc::SIG_IGN);
        }
        let mut null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null < 0 {
            // Without /dev: something that nobody else holds, and that nobody can write to.
            null = libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        }
        for fd in 0..3 {
            libc::dup2(null, fd);
        }
    }
    // Nobody in this process uses the others again: it ends with _exit.
    descriptors::close_all_but(&keep.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>());
    let _ = std::env::set_current_dir("/");
}

/// True when this process has a child, dead or alive, that it has not waited for.
pub fn has_children() -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    // Of any exit signal: before 4.7 waitid(2) does not take __WALL, and the answer is true.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT | WaitPidFlag::__WALL;
    waitid(Id::All, flags) != Err(nix::errno::Errno::ECHILD)
}

/// Waits for the end of any child, whatever its exit signal: (number, raw status); `None` when there is no child left, which
/// is the kernel's word that no descendant is left, since orphans become children.
pub fn next_end() -> Option<(i32, i32)> {
    loop {
        let mut st = 0;
        // SAFETY: st is a live int.
        let pid = unsafe { libc::waitpid(-1, &mut st, libc::__WALL) };
        if pid > 0 {
            return Some((pid, st));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// Ends this process at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: never returns; nothing of this process needs to be tidied up.
    unsafe { libc::_exit(code) }
}
