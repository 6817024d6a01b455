//! The ABI between killer's eBPF programs and its user side: names, records and words.
//!
//! Everything here is shared by both sides and pinned across versions of the binary, so a change to any
//! layout must raise [`ABI_VERSION`], which is part of the pin directory's name.
#![no_std]

pub mod claim;
pub mod ctl;
pub mod gate;
mod global;
mod member;
pub mod names;
pub mod patch;
pub mod promise;
pub mod reason;
pub mod record;
pub mod recorder;
pub mod rule;
pub mod states;
pub mod sweep;
pub mod watch;

/// Version of every layout in this crate; part of the pin directory's name. No version has been released: until then the
/// layouts of 1 change, and a tracker of another one is refused as damaged.
pub const ABI_VERSION: u32 = 1;

/// Number of slots for roots, so that there is room for 1000 services beside the pool; slot 0 means "no root".
pub const MAX_ROOTS: u32 = 1536;

/// The canary's own root: always gated, never shown; a fork into it must fail.
pub const CANARY_SLOT: u32 = MAX_ROOTS - 1;

/// The first slot of the pool: the kernel itself opens instances in the slots from here to [`CANARY_SLOT`], user space
/// makes roots in those before.
pub const POOL_FIRST: u32 = MAX_ROOTS - 1 - POOL;

/// Slots of the pool: instances that can be alive at once.
pub const POOL: u32 = 384;

/// Deepest nesting of roots that the hooks walk.
pub const MAX_DEPTH: u32 = 8;

/// Marks of launchers and holds of adopters that may be open at once.
pub const MAX_SEEDS: u32 = 1024;

/// Dead thread groups without living descendants that are remembered for `tree`.
pub const MAX_DEAD: u32 = 3072;

/// Processes that ended last, by their number modulo this: a power of two. No two numbers share a place where pid_max is not
/// above it, which is the kernel's default.
pub const MAX_ENDING: u32 = 32768;

/// The most dead thread groups with living descendants that are remembered for `tree`.
pub const MAX_ANCESTORS: u32 = 32768;

/// Requests that may be open at once where programs cannot be run on demand.
pub const MAX_REQUESTS: u32 = 256;

/// Fork edges remembered while some `adopt` is under way.
pub const MAX_EDGES: u32 = 32768;

/// Thread group ids per element of the maps that have an entry for each. One element for all would be more than kernels
/// before 5.11 take, `KMALLOC_MAX_SIZE` (`kernel/bpf/arraymap.c:array_map_alloc_check`, 5.10), where pid_max is 4194304.
/// A power of two: elements of one array stand one after the other, so a mapping shows one array of entries.
pub const TGIDS: u32 = 32768;

/// Bytes of a root's name, NUL-padded; a name may fill all of it.
pub const NAME_LEN: usize = 64;
