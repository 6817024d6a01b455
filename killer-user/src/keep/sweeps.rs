//! Signals in the kernel, by the task itself.

use std::io;

use killer_common::record::Member;

/// What became of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The signal was sent (or, in a dry run, would be).
    Signalled,
    /// It had ended before, or is no member of that root any more.
    Gone,
    /// The kernel refused it, or the process is one that is spared: errno.
    Refused(i32),
}

/// A program that signals members in the caller's own context (6.13+).
pub trait Sweeps {
    /// Sends SIGKILL, SIGSTOP or SIGCONT to each of these, in the order given. No number is taken for a process: the task that is signalled is
    /// held, and is the member of the entry by number, start and root. `near`: so many processes, the caller and its nearest
    /// ancestors, are never signalled.
    ///
    /// Receivers see the kernel as the sender (`SI_KERNEL`); `security_task_kill` and audit do not see the signal.
    ///
    /// # Errors
    /// When the program could not be run; some may have been signalled.
    fn sweep(&self, members: &[Member], signal: i32, near: u32) -> io::Result<Vec<Fate>>;
}
