//! The gate at system calls while it is being closed: a thread waits for the kernel, the sweeper goes on.

use std::io;
use std::thread::JoinHandle;

use crate::keep::{Closes, Gate, Held};

/// The state of the gate.
#[derive(Debug, Default)]
pub enum Closing {
    /// Open.
    #[default]
    No,
    /// A thread attaches it. The thread is not waited for when this is dropped: what it attaches goes with it.
    Soon(JoinHandle<io::Result<Box<dyn Held + Send>>>),
    /// Closed while it is held.
    Closed(Box<dyn Held + Send>),
}

impl Closing {
    /// Begins to close it, or goes on; true once it is closed and acts.
    ///
    /// # Errors
    /// It cannot be closed; it is open again.
    pub fn step(&mut self, gate: &dyn Gate) -> io::Result<bool> {
        let made = match std::mem::take(self) {
            Self::Closed(held) => {
                *self = Self::Closed(held);
                return Ok(true);
            }
            Self::No => match begin(gate.at_syscalls()?) {
                Ok(thread) => {
                    *self = Self::Soon(thread);
                    return Ok(false);
                }
                // No room for a thread: then it is waited for.
                Err(_) => gate.at_syscalls()?(),
            },
            Self::Soon(thread) if !thread.is_finished() => {
                *self = Self::Soon(thread);
                return Ok(false);
            }
            Self::Soon(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread that attaches the gate died"))),
        }?;
        // A child below the canary's root must die by it.
        if !gate.acts_at_syscalls() {
            return Err(io::Error::other("the programs at system calls do not act"));
        }
        *self = Self::Closed(made);
        Ok(true)
    }
}

fn begin(close: Closes) -> io::Result<JoinHandle<io::Result<Box<dyn Held + Send>>>> {
    std::thread::Builder::new().stack_size(64 << 10).spawn(close)
}
