//! The gate word of a root and of the roots around it, and whether one of them is frozen.

use killer_common::record::{R_FREEZING, R_FROZEN};
use killer_common::{MAX_DEPTH, gate};

use crate::maps::{BIRTHS, CONTROL, ROOTS};
use crate::task;

/// `SIGSTOP`
pub const SIGSTOP: u32 = 19;

/// Stops the current process when it is a member of `slot`: a launcher from elsewhere is none. False: it goes on.
///
/// The signal goes to the thread, which stops its whole group when it takes it. One that is pending for the group already
/// may be another thread's to take, and a second one is dropped without waking anybody
/// (`kernel/signal.c:__send_signal_locked`, `legacy_queue`): this thread would return to its program first, where
/// an abandoned call shows as errno 513.
#[inline(always)]
pub fn stop_current(slot: u32) -> bool {
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&task::current_addr()) }) else { return false };
    // SAFETY: signals the current task.
    b.root == slot && unsafe { aya_ebpf::helpers::generated::bpf_send_signal_thread(SIGSTOP) } == 0
}

/// The kind of gate that holds for a member of `slot`: its own root's or an outer one's. A kill goes before a freeze:
/// what is frozen can be killed. A gate for newborns is none for it.
#[inline(always)]
pub fn holds(slot: u32) -> u64 {
    look(slot, false)
}

/// The same for one that is being born into `slot`: a gate for newborns is a kill.
#[inline(always)]
pub fn holds_at_birth(slot: u32) -> u64 {
    look(slot, true)
}

#[inline(always)]
fn look(slot: u32, birth: bool) -> u64 {
    let mut s = slot;
    let mut kind = gate::OPEN;
    let mut i = 0;
    while i <= MAX_DEPTH {
        let Some(c) = CONTROL.get_ptr(s) else { return kind };
        // SAFETY: c points to a whole Control; user space exchanges the word atomically.
        let w = unsafe { core::ptr::read_volatile(&raw const (*c).gate) };
        if w != gate::OPEN {
            let held = gate::kind_at(w, task::monotonic());
            if held == gate::KILL || birth && held == gate::NEWBORNS {
                return gate::KILL;
            }
        }
        let Some(r) = ROOTS.get_ptr(s) else { return kind };
        // SAFETY: r points to a whole RootRecord.
        unsafe {
            if core::ptr::read_volatile(&raw const (*r).flags) & (R_FREEZING | R_FROZEN) != 0 {
                kind = gate::FREEZE;
            }
            s = core::ptr::read_volatile(&raw const (*r).parent);
        }
        if s == 0 {
            return kind;
        }
        i += 1;
    }
    kind
}
