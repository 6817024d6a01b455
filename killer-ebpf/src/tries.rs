//! Changes that a map may refuse for a moment.

use aya_ebpf::bindings::BPF_NOEXIST;
use killer_common::record::*;

use crate::knobs;
use crate::maps::BIRTHS;
use crate::member::{Newborn, pop};

/// `-ENOENT`
const ENOENT: i32 = -2;
/// `-EBUSY`
const EBUSY: i32 = -16;
/// How often a change that the map refuses is tried: a bucket that is busy (5.11 to 6.14, `kernel/bpf/hashtab.c:
/// htab_lock_bucket`), or whose lock is not to be had in time (6.15+), may be free a moment later.
pub const TRIES: u32 = 5;

/// What tests ask for: the first `tries` changes of the entry of each fourth process are refused. A process that has no number
/// yet is the witness's: each fourth birth.
#[inline(always)]
fn refused(root: u32, tgid: u32, attempt: u32, tries: u32) -> bool {
    if attempt >= tries {
        return false;
    }
    let n = match (tgid, pop(root)) {
        // SAFETY: p points to a whole Pop.
        (0, Some(p)) => unsafe { core::ptr::read_volatile(&raw const (*p).inserts) as u32 },
        (tgid, _) => tgid,
    };
    n % 4 == 1
}

/// Puts a newborn's entry in.
#[inline(always)]
pub fn insert(n: &Newborn, attempt: u32) -> Result<(), i32> {
    if !n.counted && refused(n.member.root, n.member.tgid, attempt, knobs::refuse_births()) {
        return Err(EBUSY);
    }
    BIRTHS.insert(&n.addr, &n.member, BPF_NOEXIST as u64)
}

/// Puts it in again where the map has refused it; every try by itself, because kernels before 5.3 take no loop.
#[inline(always)]
pub fn again(n: &Newborn, r: Result<(), i32>) -> Result<(), i32> {
    const { assert!(TRIES == 5) };
    r.or_else(|_| insert(n, 1)).or_else(|_| insert(n, 2)).or_else(|_| insert(n, 3)).or_else(|_| insert(n, 4))
}

/// Takes an entry out, which was `old`; false when somebody else has, or the map refuses.
#[inline(always)]
pub fn remove(take: impl Fn() -> Result<(), i32>, old: &Birth, refuse: u32) -> bool {
    let mut i = 0;
    while i < TRIES {
        let r = if refused(old.root, old.tgid, i, refuse) { Err(EBUSY) } else { take() };
        match r {
            Ok(()) => return true,
            Err(ENOENT) => return false,
            Err(_) => i += 1,
        }
    }
    false
}
