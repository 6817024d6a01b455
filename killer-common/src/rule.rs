//! Rules: which executed files name a service. User space fills the set that is not in force and then says that it is.
//!
//! A file is known by its directory (device and inode, as the kernel has them: `stat` shows others on btrfs and overlayfs) and
//! its name there, so a rule outlives an upgrade of the package.

use crate::NAME_LEN;
use crate::record::Member;

/// Bytes of a file's name in a key, NUL-padded.
pub const FILE_LEN: usize = 64;
/// Bytes of a directory's path in a key.
pub const PATH_LEN: usize = 128;
/// Bytes of the command that is kept of an instance.
pub const COMMAND_LEN: usize = 64;
/// Directories that rules may name.
pub const MAX_DIRECTORIES: u32 = 64;
/// Files that rules may name.
pub const MAX_FILES: u32 = 512;

/// Execs that have matched and are under way. One that failed leaves its entry until the task's next exec.
pub const MAX_MATCHED: u32 = 512;

/// Services inside of roots that keep their descendants, the last ones.
pub const MAX_STAYED: u32 = 1024;

/// Key of `rules`, a trie: [`Self::DIRECTORY`] bits stand for every file of a directory, `8 × n` more for those whose
/// names begin so, [`Self::FILE`] for one file.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct FileKey {
    /// Bits of what follows that count.
    pub prefix_len: u32,
    /// The set, 1 or 2.
    pub set: u32,
    /// `s_dev` of the directory's file system.
    pub dev: u64,
    /// `i_ino` of the directory.
    pub ino: u64,
    /// Name of the file in it, NUL-padded.
    pub file: [u64; FILE_LEN / 8],
}

impl FileKey {
    /// Prefix of all files of a directory.
    pub const DIRECTORY: u32 = 8 * 20;
    /// Prefix of one file.
    pub const FILE: u32 = Self::DIRECTORY + 8 * FILE_LEN as u32;
}

/// Key of `known`: a directory that some rule names. Most execs are told apart by it, at a third of the price of a look at `rules`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Known {
    /// `s_dev` of its file system.
    pub dev: u64,
    /// `i_ino`.
    pub ino: u64,
    /// The set, 1 or 2.
    pub set: u64,
}

/// Value of `rules`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Rule {
    /// [`SCRIPT`], [`PROGRAM`], [`ARGUMENT`], [`RUN`], [`EXCEPT`] or [`SHELL`].
    pub kind: u32,
    /// The user that has to execute it, as the kernel counts; 0 = root.
    pub uid: u32,
    /// Bytes to cut from the front of the file's name: `?` is any, NUL the end. What does not begin so does not match.
    pub strip: u64,
    /// The service's name, NUL-padded; all 0: the file's name.
    pub name: [u64; NAME_LEN / 8],
}

/// The file names a service, its opener is a control process.
pub const SCRIPT: u32 = 1;
/// The file is the service's main process.
pub const PROGRAM: u32 = 2;
/// The last part of the first argument names the service (`openrc-run`).
pub const ARGUMENT: u32 = 3;
/// `run` in a directory below the one of the key: that directory's name is the service's.
pub const RUN: u32 = 4;
/// Names no service.
pub const EXCEPT: u32 = 5;
/// A shell: the script that it is given counts as executed, when a rule of the kind [`SCRIPT`] or [`RUN`] knows that.
pub const SHELL: u32 = 6;

/// Some rule is for another user than root: nobody's exec is passed over for its user.
pub const OTHER_USERS: u32 = 1;

/// Key of `paths`, a trie: a directory as it is typed, with its last slash.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct PathKey {
    /// Bits of what follows that count: 32 and 8 for each byte of the path.
    pub prefix_len: u32,
    /// The set, 1 or 2.
    pub set: u32,
    /// The path, NUL-padded.
    pub path: [u64; PATH_LEN / 8],
}

impl PathKey {
    /// Prefix of a whole path.
    pub const WHOLE: u32 = 32 + 8 * PATH_LEN as u32;
}

/// Value of `paths`: which directory it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Directory {
    /// `s_dev` of its file system.
    pub dev: u64,
    /// `i_ino`.
    pub ino: u64,
    /// Bytes of the path with its last slash.
    pub len: u64,
}

/// `matched`: an exec under way whose file is in a directory that a rule names, and how far its instance has come. The programs'
/// stages are verified apart from each other and hand each other what they know in it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Matched {
    /// Address of its `linux_binprm`, or the task's count of execs.
    pub exec: u64,
    /// The set of rules that was in force.
    pub set: u32,
    /// The user, as the kernel counts.
    pub uid: u32,
    /// As in [`Rule`]; 0: no rule has been found.
    pub kind: u32,
    /// Of the instance's slot.
    pub generation: u32,
    /// The slot that has been claimed for the instance.
    pub slot: u32,
    /// Must be 0.
    pub pad: u32,
    /// The service's name, NUL-padded.
    pub name: [u64; NAME_LEN / 8],
    /// `s_dev` of the directory that the file is in.
    pub dev: u64,
    /// `i_ino` of it.
    pub ino: u64,
    /// `s_dev` of the directory above, where that can matter.
    pub up_dev: u64,
    /// `i_ino` of it.
    pub up_ino: u64,
    /// Name of the file, NUL-padded.
    pub file: [u64; FILE_LEN / 8],
    /// Name of the directory that it is in, where that can matter.
    pub above: [u64; FILE_LEN / 8],
    /// Where the word stands that names the service, in the memory of the task; 0 = not found.
    pub script: u64,
    /// Bytes of it with its NUL, and of the word after it.
    pub len: u64,
    /// `start_boottime` of the process, ns.
    pub start: u64,
    /// Its pidfs inode; 0 where the kernel has none.
    pub inode: u64,
    /// Its name.
    pub comm: [u64; 2],
    /// What it was a member of; root 0: of nothing.
    pub old: Member,
}

impl Matched {
    /// Nothing is known.
    pub const BLANK: Matched = Matched {
        exec: 0,
        set: 0,
        uid: 0,
        kind: 0,
        generation: 0,
        slot: 0,
        pad: 0,
        name: [0; NAME_LEN / 8],
        dev: 0,
        ino: 0,
        up_dev: 0,
        up_ino: 0,
        file: [0; FILE_LEN / 8],
        above: [0; FILE_LEN / 8],
        script: 0,
        len: 0,
        start: 0,
        inode: 0,
        comm: [0; 2],
        old: Member::BLANK,
    };
}

/// Key of `instances`: an instance that has not been given back. Whose delete it was gives the slot back.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Instance {
    /// Slot of the pool.
    pub slot: u32,
    /// Generation of that slot.
    pub generation: u32,
}

/// Key of `stayed`: a service that a rule knows and that runs inside of a root which keeps its descendants.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Inside {
    /// Slot of the root.
    pub slot: u32,
    /// Generation of that slot.
    pub generation: u32,
    /// The service's name, NUL-padded.
    pub name: [u64; NAME_LEN / 8],
}

/// One bit of 64 for a number: what is not among the bits of a set is not in the set.
pub const fn mark(n: u64) -> u64 {
    1 << (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

/// Operation of the on-demand program of the rules: `[op, set, flags, dirs, paths]` puts a set in force, 0 none, with its marks; the caller's root directory
/// is the host's; where a program cannot see it, the one of the exec that answered [`WHERE`] last (EAGAIN: none has).
pub const PUT: u64 = 1;
/// `[op]`: device and inode of the caller's working directory, to be read in `Global` with the caller's thread id. ENOSYS: this kernel
/// does not show a program its caller (before 5.11); the next exec of a child of the caller's process answers instead.
pub const WHERE: u64 = 2;
/// In `Global::asked_by`: the answer comes with an exec.
pub const AT_EXEC: u64 = 1 << 63;

const _: () = assert!(size_of::<FileKey>() == 88);
const _: () = assert!(size_of::<Rule>() == 80);
const _: () = assert!(size_of::<PathKey>() == 136);
const _: () = assert!(size_of::<Directory>() == 24);
const _: () = assert!(size_of::<Matched>() == 416);
const _: () = assert!(size_of::<Instance>() == 8);
const _: () = assert!(size_of::<Inside>() == 72);
