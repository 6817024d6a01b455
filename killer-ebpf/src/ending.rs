//! Processes that are members no more and have not let go of everything yet: noted for commands that wait for that.

use killer_common::MAX_ENDING;
use killer_common::record::*;

use crate::maps::*;

const _: () = assert!(MAX_ENDING.is_power_of_two());

/// Notes that the process of this entry ends; to be called before it leaves the index, so that a command that finds it in no list
/// finds it here. `tgid` last: a reader that meets the entry half written does not take it for a process.
#[inline(always)]
pub fn note(b: &Birth) {
    let Some(e) = ENDING.get_ptr_mut(b.tgid & (MAX_ENDING - 1)) else { return };
    // SAFETY: plain data.
    let (start, inode) = match unsafe { MEMBERS.get(&b.tgid) } {
        Some(m) => (m.leader_start, m.inode),
        None => (b.leader_start, 0),
    };
    // SAFETY: e points to a whole Ending.
    unsafe {
        core::ptr::write_volatile(&raw mut (*e).tgid, 0);
        (*e).root = b.root;
        (*e).generation = b.generation;
        (*e).start = start;
        (*e).inode = inode;
        core::ptr::write_volatile(&raw mut (*e).tgid, b.tgid);
    }
}
