//! Promises that the kernel keeps when the processes that made them are gone.

use std::io;

use super::Slot;
use crate::sys::alive::Identity;

/// A dead man's switch (6.16+): when the last of the processes that bear a promise has ended, the kernel closes the gate of the root
/// and sends SIGKILL to each member, without any process of `killer`.
pub trait Promises {
    /// These processes bear the promise to end a root, until all of them have ended; those of an earlier call do no more. Under the
    /// registry's lock.
    ///
    /// # Errors
    /// Where the kernel has no such switch, or refuses it: then the promise is as good as these processes.
    fn promise(&self, s: Slot, by: [Identity; 2]) -> io::Result<()>;

    /// This process, which bears the promise, has kept it: nobody is left. After the last one the kernel does no more at the ends
    /// of processes than before the first. Under the registry's lock.
    ///
    /// # Errors
    /// A map or a pin cannot be changed: then the kernel takes this process's end for a loss, and finds nobody.
    fn withdraw(&self, s: Slot) -> io::Result<()>;

    /// When a promise fell due that the kernel has kept to the end, and when it last saw a member (`CLOCK_BOOTTIME` ns each), until
    /// [`Promises::told`] was called.
    fn untold(&self, s: Slot) -> Option<(u64, u64)>;

    /// What was kept is written down. Under the registry's lock.
    ///
    /// # Errors
    /// The map cannot be changed.
    fn told(&self, s: Slot) -> io::Result<()>;

    /// Since when the kernel has ended this root, or ends it (`CLOCK_BOOTTIME` ns); `None`: it never had to.
    fn kept_since(&self, s: Slot) -> Option<u64>;
}
