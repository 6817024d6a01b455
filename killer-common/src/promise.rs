//! The dead man's switch of `run --kill-on-exit`: what launcher and supervisor promise, the kernel keeps when both are gone.

use crate::names;

/// Nobody promises anything: nothing was promised, or it was kept.
pub const NONE: u64 = 0;
/// Processes of `killer` keep it.
pub const KEPT: u64 = 1;
/// They are gone, and the kernel ends the set.
pub const DUE: u64 = 2;
/// It has: nobody was left.
pub const DONE: u64 = 3;
/// And a process of `killer` has written its receipt; no program writes a state after [`DONE`].
pub const TOLD: u64 = 4;

/// `promises`: by slot of the root. Written by a bearer that lives, under the registry's lock; when none lives, by the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Promise {
    /// Generation of the slot that it is about.
    pub generation: u32,
    /// At the last look: the slot of the root, this or one around it, whose promise is due; 0: of none.
    pub doomed: u32,
    /// [`NONE`], [`KEPT`], [`DUE`], [`DONE`] or [`TOLD`].
    pub state: u64,
    /// The processes that bear it, by number; 0: nobody.
    pub tgids: [u32; BEARERS],
    /// When the last of them ended, `CLOCK_BOOTTIME` ns.
    pub due_at: u64,
    /// When a member was last seen since, `CLOCK_MONOTONIC` ns.
    pub found: u64,
}

/// Processes that keep one promise: the launcher and its supervisor.
pub const BEARERS: usize = 2;

/// `bearers`: by number of the process. The program deletes it when that process ends.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Bearer {
    /// Slot of the root.
    pub slot: u32,
    /// Generation of that slot.
    pub generation: u32,
    /// Start of the process, ns since boot, as exact as /proc has it.
    pub start: u64,
}

/// `due`: one for the tracker. Written by the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Due {
    /// Promises in state [`DUE`], and ends of bearers of which that is being found out.
    pub count: u64,
    /// 1: the last look did not send a signal to each member that it has found.
    pub more: u64,
    /// When that look began, `CLOCK_MONOTONIC` ns.
    pub looked: u64,
    /// The figures of these roots then.
    pub figures: u64,
    /// 0, which the verifier does not know: a count that begins here is any number to it, and a loop around it is verified once.
    pub zero: u64,
}

/// Starts that differ by less are the same: /proc has ticks of 10 ms, and the offset of a time namespace may be a part of one.
pub const SAME_START: u64 = 20_000_000;
/// Signals that one ending process sends at most.
pub const MOST: u64 = 32;
/// How long the gate stays closed after a look that has found a member, ns.
pub const LEASE: u64 = 60_000_000_000;
/// Where nothing has changed all processes are looked at no more often, ns.
pub const PAUSE: u64 = 20_000_000;

/// Maps of the object, as [`crate::patch::MAP`] numbers them.
pub const MAPS: [&str; 8] = [
    names::BIRTHS,
    names::POP,
    names::ROOTS,
    names::CONTROL,
    names::INDEX,
    names::PROMISES,
    names::BEARERS,
    names::DUE,
];

const _: () = assert!(size_of::<Promise>() == 40);
const _: () = assert!(size_of::<Bearer>() == 16);
const _: () = assert!(size_of::<Due>() == 40);
