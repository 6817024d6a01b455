//! Map definitions. The user side creates the maps itself (sizes, `BPF_F_MMAPABLE`, freeze) and the loader
//! takes them over by name; what stands here is what the object needs to be complete.

use core::intrinsics;

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use killer_common::record::*;
use killer_common::{MAX_ENDING, TGIDS};

/// The truth: task pointer → membership. And the records of processes.
#[aya_ebpf::macros::map]
pub static BIRTHS: HashMap<u64, Member> = HashMap::pinned(65536, 0);
/// The truth: counts per root.
#[aya_ebpf::macros::map]
pub static POP: Array<Pop> = Array::pinned(killer_common::MAX_ROOTS, BPF_F_MMAPABLE);
/// Registry.
#[aya_ebpf::macros::map]
pub static ROOTS: Array<RootRecord> = Array::pinned(killer_common::MAX_ROOTS, BPF_F_MMAPABLE);
/// Requests of user space.
#[aya_ebpf::macros::map]
pub static CONTROL: Array<Control> = Array::pinned(killer_common::MAX_ROOTS, BPF_F_MMAPABLE);
/// Reasons per root.
#[aya_ebpf::macros::map]
pub static REASONS: Array<Reasons> = Array::pinned(killer_common::MAX_ROOTS, BPF_F_MMAPABLE);
/// Figures of the tracker.
#[aya_ebpf::macros::map]
pub static GLOBAL: Array<Global> = Array::pinned(1, BPF_F_MMAPABLE);
/// A root slot per tgid.
#[aya_ebpf::macros::map]
pub static INDEX: Array<[u16; TGIDS as usize]> = Array::pinned(1, BPF_F_MMAPABLE);
/// Tasks per tgid, and marks.
#[aya_ebpf::macros::map]
pub static FILTER: Array<[u32; TGIDS as usize]> = Array::pinned(1, 0);
/// A claim per tgid.
#[aya_ebpf::macros::map]
pub static CLAIMS: Array<[u64; TGIDS as usize]> = Array::pinned(1, BPF_F_MMAPABLE);
/// The key of the leader's element of `births` per tgid.
#[aya_ebpf::macros::map]
pub static LEADERS: Array<[u64; TGIDS as usize]> = Array::pinned(1, BPF_F_MMAPABLE);
/// Marks and holds.
#[aya_ebpf::macros::map]
pub static SEEDS: HashMap<u64, Birth> = HashMap::pinned(killer_common::MAX_SEEDS, 0);
/// Dead members.
#[aya_ebpf::macros::map]
pub static DEAD: LruHashMap<TaskKey, Member> = LruHashMap::pinned(killer_common::MAX_DEAD, 0);
/// Dead members with living descendants: nothing is evicted here.
#[aya_ebpf::macros::map]
pub static ANCESTORS: HashMap<TaskKey, Member> = HashMap::pinned(killer_common::MAX_ANCESTORS, 0);
/// The processes that ended last.
#[aya_ebpf::macros::map]
pub static ENDING: Array<Ending> = Array::pinned(MAX_ENDING, BPF_F_MMAPABLE);
/// Fork edges while adopting.
#[aya_ebpf::macros::map]
pub static EDGES: HashMap<TaskKey, Edge> = HashMap::pinned(killer_common::MAX_EDGES, 0);

/// The entry of a tgid in a map that has one for each. `None`: pid_max was raised after the map was made.
#[inline(always)]
pub fn entry<T>(map: &Array<[T; TGIDS as usize]>, tgid: u32) -> Option<*mut T> {
    let element = map.get_ptr_mut(tgid / TGIDS)?;
    // SAFETY: below the element's length. A mask and no comparison: LLVM may spill a number between its check and its use,
    // and kernels before 6.7 then forget the check.
    Some(unsafe { (element as *mut T).add((tgid & (TGIDS - 1)) as usize) })
}

/// `-EEXIST`
pub const EEXIST: i32 = -17;

/// Plain atomic add, result unused: `lock +=`, loads on every kernel (F31).
#[inline(always)]
pub fn add64(p: *mut u64, v: u64) {
    // SAFETY: p points into a map value that the verifier knows.
    unsafe { intrinsics::atomic_xadd::<u64, u64, { intrinsics::AtomicOrdering::Relaxed }>(p, v) };
}

/// The same for a `u32`.
#[inline(always)]
pub fn add32(p: *mut u32, v: u32) {
    // SAFETY: as in add64.
    unsafe { intrinsics::atomic_xadd::<u32, u32, { intrinsics::AtomicOrdering::Relaxed }>(p, v) };
}

/// False proves that no task of this thread group is indexed as a member, or marked.
#[inline(always)]
pub fn maybe_ours(tgid: u32) -> bool {
    match entry(&FILTER, tgid) {
        // SAFETY: n points to a number.
        Some(n) => unsafe { core::ptr::read_volatile(n) != 0 },
        None => true,
    }
}
