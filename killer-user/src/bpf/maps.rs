//! Maps: made by calls of our own, with sizes of this host, frozen where only programs may write.

use std::os::fd::OwnedFd;
use std::path::Path;

use killer_common::names::*;
use killer_common::record::*;
use killer_common::rule::*;
use killer_common::{
    MAX_ANCESTORS, MAX_DEAD, MAX_EDGES, MAX_ENDING, MAX_REQUESTS, MAX_ROOTS, MAX_SEEDS, POOL, POOL_FIRST,
    TGIDS,
};

use super::lacks;
use crate::keep::{KeepError, What};
use crate::kernel::probe;
use crate::sys::bpf::{self, MMAPABLE, MapType};

/// `BPF_F_NO_PREALLOC`
const NO_PREALLOC: u32 = 1;

/// What the maps are sized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `kernel.pid_max`.
    pub pid_max: u32,
    /// `kernel.threads-max`.
    pub threads_max: u32,
    /// Fewer entries than the host could need, so that a test can fill the maps.
    pub few: Option<u32>,
    /// The same for `ancestors`.
    pub few_ancestors: Option<u32>,
}

/// Environment variable for tests: entries of `births`.
const FEW: &str = "KILLER_MAP_TASKS";
/// The same: entries of `ancestors`.
const FEW_ANCESTORS: &str = "KILLER_MAP_ANCESTORS";
/// The same: slots of the pool.
const FEW_SLOTS: &str = "KILLER_MAP_POOL";
/// Of these one root may have that part, so that a chain of processes that fork and end leaves room for others.
const SHARE: u32 = 4;

impl Limits {
    /// Of this host, now; the most that there can be where they cannot be read.
    pub fn read() -> Self {
        let most = Self { pid_max: 4 << 20, threads_max: u32::MAX, few: None, few_ancestors: None };
        Self::known().unwrap_or(most)
    }

    /// Of this host, now.
    pub fn known() -> Option<Self> {
        let number = |name| std::env::var(name).ok().and_then(|n| n.parse().ok());
        let (few, few_ancestors) = (number(FEW), number(FEW_ANCESTORS));
        Some(Self { pid_max: probe::pid_max()?, threads_max: probe::threads_max()?, few, few_ancestors })
    }

    /// The same, for somebody who asks whether there may be more than so many tasks: `threads-max` is read where `pid_max` alone does
    /// not say that there cannot.
    pub fn above(tasks: u32) -> Option<Self> {
        let most = |pid_max| Self { pid_max, threads_max: u32::MAX, few: None, few_ancestors: None };
        let by_numbers = most(probe::pid_max()?);
        if std::env::var_os(FEW).is_none() && by_numbers.tasks() <= tasks {
            Some(by_numbers)
        } else {
            Self::known()
        }
    }

    /// Tasks that can be alive at once: `births` cannot overflow. Kernel threads, which are never
    /// members, are the slack; a rounded number keeps the buckets from doubling.
    pub fn tasks(&self) -> u32 {
        self.few.unwrap_or(self.pid_max.min(self.threads_max).next_multiple_of(4096))
    }

    /// Entries of `births`. Where no task can be known for a leader, the record of each process is an element of its own.
    pub fn births(&self, by_btf: bool) -> u32 {
        if by_btf { self.tasks() } else { self.tasks().saturating_mul(2) }
    }

    /// Dead with living descendants that are remembered.
    pub fn ancestors(&self) -> u32 {
        self.few_ancestors.unwrap_or(self.tasks().clamp(4096, MAX_ANCESTORS))
    }

    /// How many of them one root may have.
    pub fn ancestors_of_one(&self) -> u32 {
        (self.ancestors() / SHARE).max(1)
    }

    /// Entries of `index`, `filter` and `claims`: a tgid is below `pid_max`.
    pub fn tgids(&self) -> u32 {
        self.pid_max.next_multiple_of(TGIDS)
    }
}

/// What the maps are for.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// They know the kernel's types.
    pub by_btf: bool,
    /// They may take memory when they run.
    pub take_memory: bool,
}

struct Spec {
    name: &'static str,
    ty: MapType,
    key: u32,
    value: u32,
    max: u32,
    flags: u32,
    freeze: bool,
}

fn specs(l: Limits, of: Programs) -> [Spec; MAPS.len()] {
    const fn size<T>() -> u32 {
        size_of::<T>() as u32
    }
    let hash = |name, key, value, max, flags, freeze| Spec {
        name,
        ty: MapType::Hash,
        key,
        value,
        max,
        flags,
        freeze,
    };
    let array = |name, value, max, freeze| Spec {
        name,
        ty: MapType::Array,
        key: 4,
        value,
        max,
        flags: MMAPABLE,
        freeze,
    };
    [
        hash(BIRTHS, 8, size::<Member>(), l.births(of.by_btf), 0, true),
        array(POP, size::<Pop>(), MAX_ROOTS, true),
        array(ROOTS, size::<RootRecord>(), MAX_ROOTS, true),
        array(CONTROL, size::<Control>(), MAX_ROOTS, false),
        array(INDEX, 2 * TGIDS, l.tgids() / TGIDS, true),
        array(LEADERS, 8 * TGIDS, l.tgids() / TGIDS, true),
        hash(SEEDS, 8, size::<Birth>(), MAX_SEEDS, 0, true),
        Spec {
            name: DEAD,
            ty: MapType::LruHash,
            key: size::<TaskKey>(),
            value: size::<Member>(),
            max: MAX_DEAD,
            flags: 0,
            freeze: true,
        },
        array(ENDING, size::<Ending>(), MAX_ENDING, true),
        // Empty on most hosts. One that cannot be put in goes to the other dead. Before 6.1 the kernel warns of it in its log
        // (`kernel/bpf/verifier.c:check_map_prog_compatibility`).
        hash(
            ANCESTORS,
            size::<TaskKey>(),
            size::<Member>(),
            l.ancestors(),
            if of.take_memory { NO_PREALLOC } else { 0 },
            true,
        ),
        array(FILTER, 4 * TGIDS, l.tgids() / TGIDS, true),
        array(REASONS, size::<Reasons>(), MAX_ROOTS, true),
        array(GLOBAL, size::<Global>(), 1, true),
        // Filled in adopt mode only, so not preallocated; a refusal is counted (kernel/bpf/hashtab.c:alloc_htab_elem).
        hash(EDGES, size::<TaskKey>(), size::<Edge>(), MAX_EDGES, NO_PREALLOC, true),
        array(CLAIMS, 8 * TGIDS, l.tgids() / TGIDS, false),
        // Takes memory only for roots that have one.
        hash(STOPS, 4, size::<Stop>(), MAX_ROOTS, NO_PREALLOC, false),
        hash(REQUESTS, 8, size::<Request>(), MAX_REQUESTS, 0, false),
    ]
}

/// Maps of the rules. The tries take memory only for rules.
fn rule_specs() -> [Spec; RULE_MAPS.len()] {
    const fn of<T>() -> u32 {
        size_of::<T>() as u32
    }
    let map = |name, ty, key, value, max, flags, freeze| Spec { name, ty, key, value, max, flags, freeze };
    // Two sets of rules at once: the one in force, and the one that is filled.
    let tries = 2 * (MAX_DIRECTORIES + MAX_FILES);
    [
        map(RULES, MapType::Trie, of::<FileKey>(), of::<Rule>(), 8 * tries, NO_PREALLOC, false),
        map(KNOWN, MapType::Hash, of::<Known>(), 4, 2 * tries, 0, false),
        map(PATHS, MapType::Trie, of::<PathKey>(), of::<Directory>(), 4 * tries, NO_PREALLOC, false),
        map(MATCHED, MapType::Hash, 8, of::<Matched>(), MAX_MATCHED, 0, true),
        map(FREE_SLOTS, MapType::Queue, 0, 4, POOL, 0, true),
        map(INSTANCES, MapType::Hash, of::<Instance>(), 4, POOL, 0, true),
        map(STAYED, MapType::LruHash, of::<Inside>(), 8, MAX_STAYED, 0, true),
    ]
}

/// Bytes of kernel memory that the maps take: elements and buckets, in the tiers whose programs know the kernel's types.
pub fn map_bytes(l: Limits) -> u64 {
    specs(l, Programs { by_btf: true, take_memory: true })
        .iter()
        .map(|s| {
            let (k, v, n) = (
                u64::from(s.key.next_multiple_of(8)),
                u64::from(s.value.next_multiple_of(8)),
                u64::from(s.max),
            );
            match s.ty {
                MapType::Array => v * n,
                _ if s.flags & NO_PREALLOC != 0 => 16 * n.next_power_of_two(),
                _ => (48 + k + v) * n + 16 * n.next_power_of_two(),
            }
        })
        .sum()
}

/// Creates every map, freezes what programs alone may write, and pins them in `dir`. Those of the rules, too, where the programs know
/// the kernel's types.
pub fn create(dir: &Path, l: Limits, of: Programs) -> Result<(), KeepError> {
    let rules = of.by_btf;
    for s in specs(l, of).into_iter().chain(rules.then(rule_specs).into_iter().flatten()) {
        let fd = made(&s, rules)?;
        bpf::obj_pin(&fd, &dir.join(s.name)).what(format!("pinning map {}", s.name))?;
        if s.name == FREE_SLOTS {
            let few = std::env::var(FEW_SLOTS).ok().and_then(|n| n.parse().ok()).unwrap_or(POOL).min(POOL);
            for slot in POOL_FIRST..POOL_FIRST + few {
                bpf::queue_push(&fd, slot).what("filling the queue of free slots")?;
            }
        }
        if s.freeze {
            match bpf::map_freeze(&fd) {
                // Before 5.2: root could write to it, which tier and `doctor` say.
                Err(e) if !rules && lacks::unknown(&e) => {}
                r => r.map_err(|e| lacks::freezing(s.name, e))?,
            }
        }
    }
    Ok(())
}

/// Makes a map; where the kernel has BTF nothing less than what it says is taken.
fn made(s: &Spec, by_btf: bool) -> Result<OwnedFd, KeepError> {
    let make = |ty, flags| bpf::map_create(ty, s.key, s.value, s.max, flags, s.name);
    let first = make(s.ty, s.flags);
    let got = match first {
        Err(e) if !by_btf && lacks::unknown(&e) => match s.ty {
            // Before 5.5: it is looked at by calls.
            _ if s.flags & MMAPABLE != 0 => make(s.ty, s.flags & !MMAPABLE),
            // Before 4.10: who comes when it is full is not remembered.
            MapType::LruHash => make(MapType::Hash, s.flags),
            _ => Err(e),
        },
        r => r,
    };
    got.map_err(|e| match e.raw_os_error() {
        Some(libc::EPERM) => super::pins::not_permitted("create BPF maps"),
        _ => lacks::creating(s.name, s.flags, e),
    })
}

/// Checks a map that was opened against what this version would have made; answers its number of entries.
pub fn check(fd: &OwnedFd, name: &str) -> Result<u32, KeepError> {
    let info = bpf::map_info(fd);
    let limits = Limits { pid_max: 32768, threads_max: 32768, few: None, few_ancestors: None };
    // Before 4.13 nothing says what a map is: the pins of this version have to do.
    let blind = info.as_ref().is_err_and(lacks::unknown);
    let Some(s) =
        specs(if blind { Limits::read() } else { limits }, Programs { by_btf: !blind, take_memory: !blind })
            .into_iter()
            .chain(rule_specs())
            .find(|s| s.name == name)
    else {
        return Err(KeepError::Damaged(name.into()));
    };
    if blind {
        return Ok(s.max);
    }
    let i = info.what(format!("figures of map {name}"))?;
    let kind = i.kind == s.ty as u32 || s.ty == MapType::LruHash && i.kind == MapType::Hash as u32;
    if !kind || i.key_size != s.key || i.value_size != s.value {
        return Err(KeepError::Damaged(format!("{name} (of another layout)")));
    }
    Ok(i.max_entries)
}
