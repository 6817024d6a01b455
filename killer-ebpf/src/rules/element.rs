//! What the stages of an exec hand each other: an element of `matched`, the current task's.
//!
//! Before 6.5 the verifier forgets at each call which numbers matter, and holds all of them for important from there on
//! (`kernel/bpf/verifier.c:backtrack_insn`): the ways through a program that calls others multiply until it gives up. So the stages are
//! global functions, each of which it goes through once, by itself (5.6+, `kernel/bpf/verifier.c:do_check_subprogs`). They take numbers only.

use aya_ebpf::bindings::BPF_ANY;
use killer_common::rule::Matched;

use crate::rule_maps::MATCHED;
use crate::{open, task};

/// In the object, because the stack has no room for one.
static BLANK: Matched = Matched::BLANK;

/// The current task's.
#[inline(always)]
pub fn mine() -> Option<*mut Matched> {
    MATCHED.get_ptr_mut(&task::current_addr())
}

/// The current task's, in which only the set and the user are known; `None`: there is no room, which is counted.
#[inline(always)]
pub fn blank(set: u32, uid: u32) -> Option<*mut Matched> {
    let cur = task::current_addr();
    let _ = MATCHED.insert(&cur, &BLANK, BPF_ANY as u64);
    let Some(m) = MATCHED.get_ptr_mut(&cur) else {
        open::no_slot(0);
        return None;
    };
    // SAFETY: m points to a whole Matched.
    unsafe {
        (*m).set = set;
        (*m).uid = uid;
    }
    Some(m)
}

/// Drops it. Most execs have none, and to see that takes no lock.
#[inline(always)]
pub fn drop() {
    if mine().is_some() {
        let _ = MATCHED.remove(&task::current_addr());
    }
}
