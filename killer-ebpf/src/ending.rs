//! Processes that are members no more and have not let go of everything yet: noted for commands that wait for that.

use killer_common::MAX_ENDING;
use killer_common::record::*;

use crate::maps::*;
use crate::{process, task};

const _: () = assert!(MAX_ENDING.is_power_of_two());

/// Notes that the process of this entry ends, and how ([`Ending::status`]); to be called before it leaves the index, so that a
/// command that finds it in no list finds it here. `tgid` last: a reader that meets the entry half written does not take it for a process.
///
/// # Safety
/// `m` points to the element of `births` that says `b`.
#[inline(always)]
pub unsafe fn note(b: &Birth, m: *const Member, status: u32) {
    let Some(e) = ENDING.get_ptr_mut(b.tgid & (MAX_ENDING - 1)) else { return };
    // SAFETY: the caller's; e points to a whole Ending.
    unsafe {
        let inode = match b.flags & B_THREAD {
            0 if task::LEADERS => (*m).inode,
            _ => process::of(b.tgid).map_or(0, |p| (*p).inode),
        };
        core::ptr::write_volatile(&raw mut (*e).tgid, 0);
        (*e).root = b.root;
        (*e).generation = b.generation;
        (*e).start = b.leader_start;
        (*e).inode = inode;
        (*e).status = status;
        // Most end well, and the clock is not asked for them.
        (*e).at = if status & (ENDED - 1) != 0 { task::boottime() } else { 0 };
        core::ptr::write_volatile(&raw mut (*e).tgid, b.tgid);
    }
}
