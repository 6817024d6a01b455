//! What the recorder keeps of processes: who forked whom, from the first one on, and what each has executed.
//!
//! A node holds one other: its creator, or, deeper than [`HOLDERS`] links, the last of the first links above it. It is freed when it has
//! ended and nobody holds it, so the first links above every living process are there, and the deeper ones of the dead are among the
//! last that have ended. No node is changed by others but for the number of its holders.

use crate::record::TaskKey;

/// Only members are recorded, and their descendants are members.
pub const MEMBERS: u32 = 1;
/// Every process of the host is recorded.
pub const EVERYBODY: u32 = 2;

/// Links from the first one that are kept as long as a descendant lives.
pub const HOLDERS: u32 = 64;
/// Execs of a process that are kept from its first one on, and so many of its last ones.
pub const EXECS_KEPT: u32 = 4;

/// Nodes that there can be.
pub const MAX_NODES: u32 = 65536;
/// Execs that there can be.
pub const MAX_EXECS: u32 = 65536;
/// Nodes of processes that have ended and have no descendant, and the last exec of each.
pub const MAX_PAST: u32 = 4096;

/// Bytes of a path, its NUL included.
pub const PATH: usize = 256;
/// Bytes of arguments.
pub const ARGS: usize = 512;
/// Bytes of a working directory's components.
pub const DIR: usize = 256;
/// Bytes of a file's own name.
pub const FILE: usize = 64;

/// It was there before it was recorded: the parent it had then stands for its creator, and orphans of before are not known.
pub const N_BEFORE: u32 = 1;
/// It was born a member of nothing, or was that when it was met.
pub const N_OUTSIDE: u32 = 2;

/// A process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Node {
    /// Who it is.
    pub key: TaskKey,
    /// Who forked it; nobody (0): the kernel.
    pub creator: TaskKey,
    /// The node that it holds; nobody (0): none.
    pub holder: TaskKey,
    /// 1 while it lives, and 1 for each node that holds it.
    pub refs: u32,
    /// Links from the first one of its line.
    pub depth: u32,
    /// `N_*`.
    pub flags: u32,
    /// Programs that it has executed.
    pub execs: u32,
    /// Real uid, at birth or at the last exec.
    pub uid: u32,
    /// Effective uid, at birth or at the last exec.
    pub euid: u32,
    /// What wait(2) tells of it, with [`crate::record::ENDED`]; 0 while it lives, and when its end was missed.
    pub status: u32,
    /// Of those that hold it, how many have `N_OUTSIDE`. Members' children are members, so a set that grows does not change it.
    pub outside: u32,
    /// pidfs inode, 0 where the kernel has none.
    pub inode: u64,
    /// When it was forked, `CLOCK_BOOTTIME` ns; its start when it was there before.
    pub born: u64,
    /// When it ended; 0 while it lives.
    pub ended: u64,
    /// Its name, as it was born, or at its last exec.
    pub comm: [u64; 2],
}

/// Key of `execs`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct ExecKey {
    /// Thread group id.
    pub tgid: u32,
    /// The first ones come first; the last ones share the places after them, one after the other ([`place`]).
    pub place: u32,
    /// Start of the leader.
    pub start: u64,
}

/// Where the `n`th exec of a process stands, counted from 0.
pub const fn place(n: u32) -> u32 {
    if n < EXECS_KEPT { n } else { EXECS_KEPT + (n & (EXECS_KEPT - 1)) }
}

/// Places of one process.
pub const PLACES: u32 = 2 * EXECS_KEPT;

/// The file has no name any more.
pub const E_DELETED: u32 = 1;
/// The file is on a mount of the kernel's own, which has no path: a memfd.
pub const E_MEMORY: u32 = 2;
/// A script: `path` is the script, the file its interpreter.
pub const E_SCRIPT: u32 = 4;
/// The arguments could not be read.
pub const E_NO_ARGS: u32 = 8;
/// The kernel's memory could not be read (lockdown=confidentiality): there are no path, name and directory.
pub const E_NO_NAMES: u32 = 16;
/// The working directory is deeper than what is kept of it.
pub const E_DEEP: u32 = 32;

/// An exec.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Exec {
    /// Whose it is.
    pub key: TaskKey,
    /// When, `CLOCK_BOOTTIME` ns.
    pub at: u64,
    /// Inode of the file.
    pub inode: u64,
    /// Device of its filesystem, as the kernel has it.
    pub dev: u32,
    /// Which exec of the process it is, from 0.
    pub nth: u32,
    /// Real uid after it.
    pub uid: u32,
    /// Effective uid after it.
    pub euid: u32,
    /// `E_*`.
    pub flags: u32,
    /// Bytes of arguments that there were.
    pub args_len: u32,
    /// Bytes of `dir`.
    pub dir_len: u32,
    /// Nothing.
    pub pad: u32,
    /// The path as it was executed, with a NUL.
    pub path: [u8; PATH],
    /// The file's own name, with a NUL.
    pub file: [u8; FILE],
    /// Arguments, each with a NUL.
    pub args: [u8; ARGS],
    /// The working directory: its components from the last one up, each with a NUL.
    pub dir: [u8; DIR],
}

/// An exec that is being written, with place for a component that begins within `dir`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Draft {
    /// What is kept.
    pub exec: Exec,
    /// What does not fit.
    pub over: [u8; DIR],
}

/// Signals whose senders are kept.
pub const MAX_SENT: u32 = 4096;

/// Key of `sent`: a signal that a process got.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct SentKey {
    /// Thread group id.
    pub tgid: u32,
    /// The signal.
    pub signal: u32,
    /// Start of the leader.
    pub start: u64,
}

/// The kernel has sent it, on its own account: `by`, `uid` and `comm` are nobody's.
pub const S_KERNEL: u32 = 1;
/// A BPF program has sent it, while `by` ran: a sweep of `killer`, or a gate.
pub const S_PROGRAM: u32 = 2;
/// `by`, or the kernel: it says that a timer or a device has sent it, which every process can say of its own signals, or what it says
/// cannot be read (lockdown=confidentiality).
pub const S_OR_KERNEL: u32 = 4;

/// Who sent a signal, the last time that it was sent and could end its process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Sent {
    /// To whom.
    pub key: SentKey,
    /// The sender; its start is 0 where that is not recorded.
    pub by: TaskKey,
    /// When, `CLOCK_BOOTTIME` ns.
    pub at: u64,
    /// The sender's real uid.
    pub uid: u32,
    /// `S_*`.
    pub flags: u32,
    /// The sender's name.
    pub comm: [u64; 2],
}

/// The recorder itself. Programs write it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Recorder {
    /// When the processes that were there had all been met, `CLOCK_BOOTTIME` ns; 0: not yet.
    pub complete: u64,
    /// Processes that had no place.
    pub lost_nodes: u64,
    /// Execs that had no place.
    pub lost_execs: u64,
    /// Ends that no program saw: another process came with the number.
    pub lost_ends: u64,
    /// Senders of signals that had no place.
    pub lost_senders: u64,
}

const _: () = assert!(size_of::<Node>() == 112 + 8 && size_of::<ExecKey>() == 16 && size_of::<Sent>() == 64);
const _: () = assert!(size_of::<Exec>() == 64 + PATH + FILE + ARGS + DIR && EXECS_KEPT.is_power_of_two());
