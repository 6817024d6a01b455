//! What keeps the sets: one interface, [`Keep`], in front of every tier. Above this room nobody knows which one it is.

mod book;
mod halt;
mod kept;
pub mod last;
mod look;
pub mod memory;
mod named;
mod opening;
mod page;
mod place;
mod programs;
mod scan;
mod spots;
mod tracker;
mod wire;
mod witness;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use killer_common::record::{Dead, Ending, Member, Pop, R_FREE, Reasons, Root};

use crate::bpf::Registry;
#[cfg(test)]
pub(crate) use crate::bpf::name_words;
pub use crate::bpf::{
    BpfError, Broadcast, CANARY, Health, Keeper, Limits, Other, Paths, Slot, map_bytes, object_sha256,
    try_out,
};
use crate::kernel::tier::Tier;
use crate::sys::child;
use crate::sys::launch::Launch;
pub use crate::sys::launch::Spawned;
use crate::sys::pass_on::PassOn;
use crate::sys::proc;

pub use memory::Kept;
pub(crate) use place::Place;
pub use tracker::Tracker;

/// Something that holds until it is dropped: a lock, a gate, a log that is shown.
pub trait Held: Debug {}
impl<T: Debug> Held for T {}

/// Closes a gate; that takes as long as the kernel lets programs that run come to their end.
pub type Closes = Box<dyn FnOnce() -> io::Result<Box<dyn Held + Send>> + Send>;

/// The lock on a registry; it goes with the process, too.
#[derive(Debug)]
pub enum Lock {
    /// On the pins.
    Pins(Registry),
    /// On a registry in files.
    Book(book::BookLock),
}

/// A process that is to be taken in: number, start in clock ticks, pidfs inode (0: none).
pub type Whose = (u32, u64, u64);

/// What an adoption saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Passes over all tasks.
    pub passes: u32,
    /// True when the last passes added nothing and nothing odd was seen.
    pub quiet: bool,
}

/// A registry of roots, their members, a count that proves "empty", gates, and reasons to doubt.
///
/// Roots are known by slot and generation. Members are an index for people and for signals; what decides is
/// [`Keep::count`]. What has a body here is what a tier without programs does: nothing. Methods that change the registry are called under [`Keep::lock`].
pub trait Keep: Debug {
    /// Which tier this is, for people.
    fn tier(&self) -> Tier;
    /// Where its registry is, for one in files.
    fn place(&self) -> Option<&Path> {
        None
    }
    /// Waits for the lock that changes of names and slots take.
    fn lock(&self) -> Result<Lock, BpfError>;

    /// The record of any slot, also a free one.
    fn slot(&self, slot: u32) -> Option<Root>;
    /// The record of a slot that is in use.
    fn root(&self, slot: u32) -> Option<Root> {
        self.slot(slot).filter(|r| slot != 0 && r.state != R_FREE)
    }
    /// Every root in use.
    fn roots(&self) -> Vec<(u32, Root)>;
    /// The first free slot.
    fn free_slot(&self) -> Option<Slot>;
    /// Makes a free slot, or one whose count is 0, a new root in state STARTING; `old` is its present generation.
    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot>;
    /// STARTING → LIVE.
    fn go_live(&self, s: Slot) -> io::Result<()>;
    /// Frees a slot whose count is 0. EBUSY: it is not.
    fn forget(&self, s: Slot) -> io::Result<()>;
    /// Changes a root's name.
    fn rename(&self, s: Slot, name: &str) -> io::Result<()>;
    /// Makes a member the main process; 0 clears it. ENOENT: no member.
    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()>;
    /// Notes the last signal and who asked, for `status`.
    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()>;

    /// Counts a reason against a root.
    fn reason(&self, s: Slot, reason: u32) -> io::Result<()>;
    /// The same, so often.
    fn reason_times(&self, s: Slot, reason: u32, times: u64) -> io::Result<()> {
        (0..times).try_for_each(|_| self.reason(s, reason))
    }
    /// Reasons counted against a root.
    fn reasons(&self, slot: u32) -> Option<Reasons>;
    /// Whatever could make every root doubtful.
    fn health(&self) -> Health {
        Health::default()
    }
    /// Runs of hooks that the kernel has skipped, ever, and processes that walks have found in no list, ever; `None` where no
    /// run can be skipped.
    fn lapses(&self) -> Option<(u64, u64)> {
        None
    }
    /// Runs of the hook on signals that the kernel has skipped, ever, modulo 2^32; `None` where there is no such hook.
    fn unheard(&self) -> io::Result<Option<u32>> {
        Ok(None)
    }
    /// Notes how many skipped hook runs have been accounted for.
    fn note_misses(&self, total: u64) -> io::Result<()> {
        let _ = total;
        Ok(())
    }
    /// True when neither a birth nor an end can be missed, whatever [`Keep::health`] counts.
    fn cannot_miss(&self) -> bool;

    /// Tasks of a root alive or being born; 0 is the proof that it is empty, and stays unless something is started in it.
    fn count(&self, slot: u32) -> i64;
    /// Figures of a root.
    fn pop(&self, slot: u32) -> Pop;
    /// The entry of a process.
    fn member(&self, tgid: u32) -> io::Result<Option<Member>>;
    /// An error when any look-up so far has failed: what was shown or signalled may lack somebody.
    fn sound(&self) -> io::Result<()> {
        Ok(())
    }
    /// Every entry.
    fn all_members(&self) -> io::Result<Vec<Member>>;
    /// Thread group ids of the roots of `set`, in PID order.
    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32>;
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> io::Result<Vec<Dead>> {
        Ok(Vec::new())
    }
    /// Processes of the roots of `set` that left the list of members last, where they may hold memory, files and ports after
    /// that. Whether they still do is not known here.
    fn ending(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending> {
        let _ = set;
        Vec::new()
    }
    /// Compares the sets with every task of the host and repairs them.
    fn walk(&self) -> io::Result<()> {
        Ok(())
    }
    /// Slot of the root that this process is a member of.
    fn whose(&self) -> io::Result<Option<u32>>;
    /// This single-threaded process leaves the root that it is a member of; true when it was one.
    fn leave(&self) -> io::Result<bool>;

    /// True when a process stays a member of whatever its creator was in: nothing that a member starts can stand beside.
    fn descent_is_for_life(&self) -> bool {
        false
    }

    /// Starts a process as a member of a root (`flags`: `B_MAIN`, `B_CONTROL`), a member before its first instruction. `ready`
    /// is called when it is one, before exec. The outer error: nothing was started. EPERM: the root is being killed.
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned>;
    /// Waits in the foreground for what this process has started and passes signals on; answers the raw wait status. `look` is
    /// called whenever a child of this process may have ended.
    fn attend(&self, pid: i32, pass: &mut PassOn, look: &mut dyn FnMut()) -> io::Result<i32> {
        pass.attend(pid, look)
    }
    /// Waits so long for the end of what this process has started; answers the raw wait status, `None` when it goes on.
    fn await_end(&self, pid: i32, most: Duration) -> io::Result<Option<i32>> {
        let began = std::time::Instant::now();
        loop {
            // The child is this process's own and not yet reaped: its number is nobody else's.
            if let Some(status) = child::ended(pid)? {
                return Ok(Some(status));
            }
            let left = most.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            match proc::pidfd_open(pid as u32) {
                Ok(fd) => proc::pidfd_wait(&fd, left),
                Err(_) => std::thread::sleep(left.min(Duration::from_millis(2))),
            }
        }
    }
    /// Takes a running process and its present descendants in.
    fn adopt(&self, s: Slot, whose: Whose) -> io::Result<Taken>;

    /// Closes the gate of a root and of those inside it, or renews it, until then (CLOCK_MONOTONIC ns).
    fn close_gate(&self, slot: u32, until: u64) {
        let _ = (slot, until);
    }
    /// Opens the gate that was closed with that deadline; nobody opens another's.
    fn open_gate(&self, slot: u32, until: u64) {
        let _ = (slot, until);
    }
    /// True while a gate is closed for a root.
    fn gated(&self, slot: u32) -> bool {
        let _ = slot;
        false
    }
    /// Name of the gate at birth, when there is one: newborns of a gated root never run.
    fn birth_gate(&self) -> Option<&'static str> {
        None
    }
    /// What closes the gate at system calls, from whichever thread, while its answer is held.
    fn syscall_gate(&self) -> io::Result<Closes> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Whether that gate acts: attached is not yet acting.
    fn syscall_gate_acts(&self) -> bool {
        false
    }

    /// True when newborns are sent a broadcast's signal before their first instruction: exactly once, also while they fork.
    fn decides_newborns(&self) -> bool {
        false
    }
    /// Begins a broadcast for a root and those inside it: newborns are decided at birth until then.
    fn broadcast(&self, slot: u32, b: &Broadcast, until: u64) {
        let _ = (slot, b, until);
    }
    /// Newborns that are behind in a root's broadcast are sent it at birth from here on.
    fn leave_to_births(&self, slot: u32) {
        let _ = slot;
    }
    /// The broadcast of a root that still holds, after renewing it until then: its signal.
    fn renew_broadcast(&self, slot: u32, now: u64, until: u64) -> Option<i32> {
        let _ = (slot, now, until);
        None
    }
    /// Has the start of each fork told, where another thread could take the signal meanwhile, until [`Keep::end_marks`]; `None`
    /// where it is told anyway.
    fn mark_calls(&self, _slot: u32, _epoch: u64) -> io::Result<Option<Box<dyn Held>>> {
        Ok(None)
    }
    /// Ends that.
    fn end_marks(&self, _slot: u32) {}
    /// Why this tier cannot freeze; `None` when it can.
    fn cannot_freeze(&self) -> Option<&'static str> {
        Some("it has no hook in which a fork can be held")
    }
    /// Changes whether newborns and forkers of a root are held still (`R_FREEZING`, `R_FROZEN`, `R_THAWING`, 0); answers what it
    /// was.
    fn freeze(&self, _s: Slot, _to: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Notes whether a member was stopped before the freeze.
    fn note_stopped(&self, _s: Slot, _tgid: u32, _on: bool) -> io::Result<()> {
        Ok(())
    }
    /// Keeps a root's stop command: user, working directory and command, each with a NUL. It goes with the root.
    fn set_stop(&self, _s: Slot, _text: &[u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this tier keeps no stop commands"))
    }
    /// The stop command of a root.
    fn stop(&self, _s: Slot) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// The claim word of a process, where newborns are decided at birth.
    fn claim(&self, tgid: u32) -> Option<&AtomicU64> {
        let _ = tgid;
        None
    }
    /// True when newborns that are behind in a broadcast are sent its signal at birth; else the sweeper has to find them.
    fn sends_at_birth(&self) -> bool {
        false
    }
    /// True when newborns of a broadcast are decided at birth, by their creator's claim.
    fn decides_births(&self) -> bool {
        false
    }
    /// Takes away the marks by which launchers' next forks would join a root; answers how many.
    fn cancel_marks(&self, slot: u32) -> usize {
        let _ = slot;
        0
    }

    /// Takes it down, where that is not done through pins. The caller has made sure that nothing is tracked.
    ///
    /// # Errors
    /// `Kept`: nothing is tracked any more, but the kernel still has something of it.
    fn tear_down(&self) -> Result<(), BpfError> {
        Ok(())
    }

    /// Shows the log of the programs while the answer is held.
    fn relay(&self) -> Option<Box<dyn Held + '_>> {
        None
    }
}
