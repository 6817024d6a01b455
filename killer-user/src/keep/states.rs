//! States of members' threads, told by a program.

use std::io;

use killer_common::states::Thread;

/// A program that visits every task of the host and tells of members' threads (5.8+, with BTF).
pub trait States {
    /// A record of each thread of each listed process, of all roots, in no order. One visit of all tasks: a thread that was born
    /// meanwhile may be missing, and so may one that took over its process meanwhile (execve(2)), so whoever asks counts.
    ///
    /// # Errors
    /// When the program could not be loaded or run.
    fn threads(&self) -> io::Result<Vec<Thread>>;
}
