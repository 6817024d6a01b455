//! Records in the maps. All are plain data, little, aligned to 8 bytes; sizes are asserted below. User space derives `Pod` for
//! each: a record with padding, which the kernel would compare or show, does not compile.

pub use crate::global::Global;
pub use crate::member::{Member, is_process_key, process_key};
use crate::{NAME_LEN, reason};

/// `seeds`, and the head of what is in `births`: what a task pointer belongs to. A value's root never changes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Birth {
    /// Slot of the root.
    pub root: u32,
    /// Generation of that slot.
    pub generation: u32,
    /// `B_*` flags.
    pub flags: u32,
    /// Thread group id, initial PID namespace.
    pub tgid: u32,
    /// `start_boottime` of the *group leader*, ns; 0 = do not compare.
    pub leader_start: u64,
    /// Number of the last walk that met the task, or that was begun before it was registered.
    pub walk: u64,
}

/// The task was not the leader of its group when it was born.
pub const B_THREAD: u32 = 1;
/// The mark makes its child the main process.
pub const B_MAIN: u32 = 2;
/// The mark makes its child a control process.
pub const B_CONTROL: u32 = 4;
/// The mark is a hold: counted, never consumed by a fork.
pub const B_HOLD: u32 = 8;
/// Taken in by an adoption, by one of its walks. What is forked below it later is seen being born, and has it not.
pub const B_ADOPTED: u32 = 16;
/// Registered by the end of its parent; cleared when a fork hook saw it, too (the hooks were not skipped then).
pub const B_LATE: u32 = 64;
/// Registered by the witness from a launcher's mark: the launcher's place in the filter is kept for the fork hook.
pub const B_SEEDED: u32 = 128;
/// It has forked: its end is remembered for `tree`.
pub const B_FORKED: u32 = 32;

/// It was stopped before the freeze, and stays so after the thaw.
pub const B_STOPPED: u32 = 256;
/// Counted among its creator's `kids`.
pub const B_KID: u32 = 512;

/// `pop`: one cache line a root, changed by programs with plain atomic adds only.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Pop {
    /// Tasks alive or being born, and marks.
    pub pop: i64,
    /// Insertions ever: moves before any child can be missed by a reader.
    pub inserts: u64,
    /// Tasks that ended.
    pub exits: u64,
    /// Forks denied, or newborns killed, by the gate.
    pub denied: u64,
    /// Map operations that failed.
    pub errors: u64,
    /// Births that the first fork hook had not registered.
    pub misses: u64,
    /// Gate signals that the kernel refused (`-EBUSY` and others); the sweep does them.
    pub gate_errors: u64,
    /// Processes ever; moves after a process was indexed.
    pub processes: u64,
}

/// `roots`: the registry.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct RootRecord {
    /// Counts the uses of the slot; part of every reference to a root.
    pub generation: u32,
    /// `R_*` state.
    pub state: u32,
    /// Slot of the outer root, 0 = none.
    pub parent: u32,
    /// Nesting depth, 0 at the top.
    pub depth: u32,
    /// tgid of the main process, 0 = none.
    pub main_tgid: u32,
    /// Generation of the outer root.
    pub parent_generation: u32,
    /// Start of the main process.
    pub main_start: u64,
    /// When the root was made, `CLOCK_BOOTTIME` ns.
    pub born: u64,
    /// tgid of the `killer` that made it.
    pub owner_tgid: u32,
    /// Signal that was last sent.
    pub last_signal: u32,
    /// Start of that `killer`.
    pub owner_start: u64,
    /// When that signal was sent, `CLOCK_BOOTTIME` ns.
    pub last_at: u64,
    /// The user that asked for it.
    pub last_uid: u32,
    /// Exit code of that call.
    pub last_outcome: u32,
    /// Service name, NUL-padded.
    pub name: [u8; NAME_LEN],
    /// `R_SUPERVISED`, `R_FREEZING`, `R_FROZEN`, `R_THAWING`, `R_UNDONE`, `R_FOREGROUND`.
    pub flags: u64,
    /// Start of the `killer` that freezes or thaws it.
    pub freezer_start: u64,
    /// tgid of that `killer`.
    pub freezer_tgid: u32,
    /// SIGCONTs that reached members while it was frozen; they are stopped again.
    pub wakes: u32,
    /// SIGHUPs of the kernel to orphaned process groups while it was frozen.
    pub hangups: u32,
    /// Runs of the hook on `signal_generate` that the kernel had skipped when the freeze began, modulo 2^32.
    pub skipped: u32,
    /// When it was frozen, `CLOCK_BOOTTIME` ns.
    pub frozen_at: u64,
    /// Entries of `ancestors` that were its members, whichever generation.
    pub ancestors: u64,
    /// Start of the process that opened an instance.
    pub opener_start: u64,
    /// tgid of that process; 0: this root was made by user space.
    pub opener_tgid: u32,
    /// Slot of the root that it was a member of until then, 0 = none.
    pub from: u32,
    /// Generation of that slot.
    pub from_generation: u32,
    /// Bytes of `command`.
    pub command_len: u32,
    /// What was executed, and the word after it, each with a NUL.
    pub command: [u8; crate::rule::COMMAND_LEN],
    /// Matches of rules that opened nothing, because this root keeps what descends from it.
    pub stayed: u64,
}

/// The owner stays to end the service when its main process ends (`run --kill-on-exit`).
pub const R_SUPERVISED: u64 = 1;

/// A freeze is under way.
pub const R_FREEZING: u64 = 2;
/// Frozen: it stays so when the command has ended.
pub const R_FROZEN: u64 = 4;
/// A thaw is under way: no process is held any more, and one that is still stopped goes on soon.
pub const R_THAWING: u64 = 8;
/// The last freeze or thaw was interrupted, and everybody was let go by the call after it.
pub const R_UNDONE: u64 = 16;

/// Its `killer run` waits in the foreground: what is started in the background from within belongs to it.
pub const R_FOREGROUND: u64 = 32;
/// It was adopted: rules open instances out of it.
pub const R_ADOPTED: u64 = 64;
/// `run --service`: rules open instances out of it.
pub const R_SERVICE: u64 = 128;
/// An instance: the kernel opened it when a rule matched, and gives its slot back when it is empty.
pub const R_INSTANCE: u64 = 256;
/// An instance that was opened by a script, whose process is no main process.
pub const R_SCRIPT: u64 = 512;

/// The slot is free.
pub const R_FREE: u32 = 0;
/// Made, its first process is not there yet.
pub const R_STARTING: u32 = 1;
/// Its first process has been seen.
pub const R_LIVE: u32 = 2;

/// `control`: one line a root, written by user space by atomic operations on the mapping.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Control {
    /// See [`crate::gate`].
    pub gate: u64,
    /// Broadcast epoch, see [`crate::claim`]; 0 = none.
    pub epoch: u64,
    /// Signal of that epoch.
    pub signal: u32,
    /// Newborns policy of that epoch: `NEWBORNS_*` of [`crate::claim`].
    pub policy: u32,
    /// The epoch holds until then, `CLOCK_MONOTONIC` ns.
    pub until: u64,
    /// Value of a real-time signal, with [`crate::claim::LATER`].
    pub value: u64,
    /// The broadcast before.
    pub last_epoch: u64,
    /// Its value.
    pub last_value: u64,
    /// The epoch for which system calls' entries are stamped.
    pub stamps: u64,
    /// A command lists this root: its slot is not used again until then, `CLOCK_MONOTONIC` ns.
    pub hold: u64,
    /// In the line of slot 0, which is no root's: when the hook on signals was last needed, `CLOCK_MONOTONIC` ns. No program reads it.
    pub heard_at: u64,
    /// Reserve: a line is never shared by two roots.
    pub reserved: [u64; 6],
}

/// Key of `dead`, `ancestors` and `edges`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct TaskKey {
    /// Thread group id.
    pub tgid: u32,
    /// Must be 0: keys are compared as bytes.
    pub pad: u32,
    /// `start_boottime` of the group leader, ns.
    pub start: u64,
}

/// A member that has ended. In `dead` and `ancestors` it is a [`Member`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead {
    /// What it was.
    pub member: Member,
    /// End, `CLOCK_BOOTTIME` ns.
    pub ended: u64,
}

/// `ending`: a process that is a member no more, and holds its memory, files and ports for a while yet: the exit hook comes
/// before the kernel takes them from it (`kernel/exit.c:do_exit`). Whether it still does, its pidfd says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Ending {
    /// Thread group id; 0 while the entry is being written.
    pub tgid: u32,
    /// Slot of its root.
    pub root: u32,
    /// Generation of that slot.
    pub generation: u32,
    /// What wait(2) tells of it, with `ENDED` and perhaps `NO_MEMORY`; 0 where the tier cannot read it (raw and legacy).
    pub status: u32,
    /// `start_boottime` of the group leader, ns.
    pub start: u64,
    /// pidfs inode, 0 where the kernel has none.
    pub inode: u64,
    /// When its last thread ended, `CLOCK_BOOTTIME` ns; 0 when it ended with code 0, or `status` is not known.
    pub at: u64,
}

/// In `Ending.status`: the lower 16 bits are known.
pub const ENDED: u32 = 1 << 16;
/// In `Ending.status`: the kernel had chosen it when memory ran out (`mm/oom_kill.c:mark_oom_victim`).
pub const NO_MEMORY: u32 = 1 << 17;

/// `reasons`: count and first time of each reason of a root.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Reasons {
    /// How often.
    pub count: [u64; reason::COUNT],
    /// First time, `CLOCK_BOOTTIME` ns.
    pub first: [u64; reason::COUNT],
}

/// `stops`: how a root is asked to stop before it is signalled. Written by user space, and decides nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Stop {
    /// Generation of the slot that it was made for.
    pub generation: u32,
    /// Bytes of `text`.
    pub len: u32,
    /// NUL-terminated: user, working directory, command.
    pub text: [u8; STOP_LEN],
}

/// Bytes that a stop command, with its user and directory, may have.
pub const STOP_LEN: usize = 2040;

/// `edges`: which process forked which, or took it in, while some adoption is under way.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Edge {
    /// The creator.
    pub creator: TaskKey,
    /// The child's `signal_struct`.
    pub signal: u64,
    /// 1 when the child is known to have ended.
    pub ended: u64,
}

const _: () = assert!(size_of::<Birth>() == 32);
const _: () = assert!(size_of::<Pop>() == 64);
const _: () = assert!(size_of::<Control>() == 128);
const _: () = assert!(size_of::<RootRecord>() == 280);
const _: () = assert!(size_of::<Ending>() == 40);
const _: () = assert!(size_of::<TaskKey>() == 16);
const _: () = assert!(size_of::<Reasons>() == 512);
const _: () = assert!(size_of::<Edge>() == 32);
const _: () = assert!(size_of::<Stop>() == 2048);

/// A request of the on-demand program, where it cannot be run by `BPF_PROG_TEST_RUN` (5.10+).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Request {
    /// As [`crate::ctl`] has them.
    pub args: [u64; crate::ctl::ARGS],
    /// What came of it.
    pub result: i32,
    /// 0 as it is made, 1 while it is carried out, 2 when `result` holds.
    pub done: u32,
}
