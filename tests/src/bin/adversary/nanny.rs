//! Not an adversary: reaps what others orphan. `adversary nanny CMD…` ends with CMD's status and leaves a process
//! behind that takes CMD's orphans until there are none.
//!
//! Chains of forks make ten thousand orphans a second. Where PID 1 reaps once a second the whole host would run out of
//! PIDs.

use crate::ctx::{exit, pointers, reap};
use std::ffi::{CString, c_int};

/// Runs CMD.
pub fn nanny(command: &[String]) -> ! {
    let argv: Vec<CString> = command.iter().filter_map(|a| CString::new(a.as_str()).ok()).collect();
    let argv = pointers(&argv);
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors; the program has one thread, so each fork may go on as it likes.
    let nanny = unsafe {
        libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC);
        libc::fork()
    };
    if nanny != 0 {
        only(pipe[0]);
        let mut status: c_int = 70 << 8;
        // SAFETY: room for an int, as the other side writes it.
        unsafe { libc::read(pipe[0], (&raw mut status).cast(), size_of::<c_int>()) };
        end_as(status)
    }
    // SAFETY: flags and plain integers; see above for the fork.
    let waiter = unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::fork()
    };
    if waiter != 0 {
        // Out of the test's process group: what ends that group would leave the orphans to PID 1.
        // SAFETY: plain integers.
        unsafe { libc::setpgid(0, 0) };
        only(-1);
        // With SIGCHLD ignored this returns when the last one is gone.
        reap(-1);
        exit(0)
    }
    // SAFETY: as above.
    let child = unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::fork()
    };
    if child == 0 {
        // SAFETY: the vector ends in NULL and lives across the call.
        unsafe { libc::execvp(argv[0], argv.as_ptr()) };
        exit(127)
    }
    only(pipe[1]);
    let status = reap(child);
    // SAFETY: an int of ours.
    unsafe { libc::write(pipe[1], (&raw const status).cast(), size_of::<c_int>()) };
    exit(0)
}

/// Closes everything but `keep`: a pipe that is an oracle must not be held here.
fn only(keep: c_int) {
    for fd in (0..1024).filter(|fd| *fd != keep) {
        // SAFETY: nothing in this process uses a descriptor any more, `keep` apart.
        unsafe { libc::close(fd) };
    }
}

/// Ends as the process ended that had this status.
fn end_as(status: c_int) -> ! {
    if libc::WIFSIGNALED(status) {
        // SAFETY: a signal to ourselves, with its default action.
        unsafe {
            libc::signal(libc::WTERMSIG(status), libc::SIG_DFL);
            libc::raise(libc::WTERMSIG(status));
        }
    }
    exit(libc::WEXITSTATUS(status))
}
