//! The kernel sweep: what user space hands to the program `on_sweep`, and what comes back.

/// Members that one run takes: one bit each in what it answers.
pub const MOST: usize = 64;

/// A member that is to be signalled, as its entry has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Aim {
    /// Thread group id.
    pub tgid: u32,
    /// Slot of the root.
    pub root: u32,
    /// Generation of that slot.
    pub generation: u32,
    /// Reserve.
    pub pad: u32,
    /// `start_boottime` of the group leader, ns.
    pub start: u64,
}

/// One run: its context, both ways.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Run {
    /// In: address of the [`Aim`]s in the caller's memory.
    pub aims: u64,
    /// In: how many there are, at most [`MOST`].
    pub count: u32,
    /// In: the signal.
    pub signal: u32,
    /// In: so many processes, the caller and its nearest ancestors, are never signalled.
    pub near: u32,
    /// Out: errno of the last refusal, as a positive number.
    pub errno: u32,
    /// Out: the members that were sent it.
    pub sent: u64,
    /// Out: the members to which it was refused. What is in neither had ended, or is a member no more.
    pub refused: u64,
}

const _: () = assert!(size_of::<Aim>() == 24);
const _: () = assert!(size_of::<Run>() == 40);
