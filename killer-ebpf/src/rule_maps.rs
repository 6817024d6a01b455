//! Maps of the rules, in the objects for kernels with BTF.

use aya_ebpf::maps::{HashMap, LpmTrie, LruHashMap, Queue};
use killer_common::rule::*;

/// Which files name a service.
#[aya_ebpf::macros::map]
pub static RULES: LpmTrie<[u32; 21], Rule> = LpmTrie::pinned(8192, 0);
/// Directories that some rule names.
#[aya_ebpf::macros::map]
pub static KNOWN: HashMap<Known, u32> = HashMap::pinned(4096, 0);
/// Which directory a path is.
#[aya_ebpf::macros::map]
pub static PATHS: LpmTrie<[u32; 33], Directory> = LpmTrie::pinned(1024, 0);
/// What an exec under way is to open.
#[aya_ebpf::macros::map]
pub static MATCHED: HashMap<u64, Matched> = HashMap::pinned(MAX_MATCHED, 0);
/// Free slots of the pool.
#[aya_ebpf::macros::map]
pub static FREE_SLOTS: Queue<u32> = Queue::pinned(killer_common::POOL, 0);
/// Instances that are not given back.
#[aya_ebpf::macros::map]
pub static INSTANCES: HashMap<Instance, u32> = HashMap::pinned(killer_common::POOL, 0);
/// Services inside of roots that keep their descendants.
#[aya_ebpf::macros::map]
pub static STAYED: LruHashMap<Inside, u64> = LruHashMap::pinned(1024, 0);
