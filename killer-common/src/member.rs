//! What stands in `births`: a task, and the record of its process.

use crate::record::{B_THREAD, Birth};

/// `births`: a task, and the record of its process where that stands with the task. The first words are a [`Birth`]; they decide,
/// and what follows is what user space shows and signals.
///
/// The record of a process stands with its leader ([`Member::is_record`]) as long as that lives. Where it does not, or no task can be known
/// for the leader (tiers raw and legacy), it is an element of its own, by [`process_key`], which counts nothing.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Member {
    /// As in [`Birth`].
    pub root: u32,
    /// As in [`Birth`].
    pub generation: u32,
    /// `B_*` flags, which the task alone changes once it runs.
    pub flags: u32,
    /// Thread group id: elements are recycled under readers.
    pub tgid: u32,
    /// `start_boottime` of the group leader, ns.
    pub leader_start: u64,
    /// As in [`Birth`].
    pub walk: u64,
    /// pidfs inode, 0 where the kernel has none (before 6.9).
    pub inode: u64,
    /// Start of the process that forked it.
    pub creator_start: u64,
    /// tgid of that process.
    pub creator_tgid: u32,
    /// Real uid at birth or last exec.
    pub uid: u32,
    /// Birth, `CLOCK_BOOTTIME` ns.
    pub born: u64,
    /// Name of the leader at birth or last exec.
    pub comm: [u8; 16],
    /// Number of execs.
    pub execs: u32,
    /// Threads alive, where the programs cannot read the kernel's own count (tiers raw and legacy).
    pub threads: u32,
    /// Forks below the first process of its root: so many ancestors within the root there are.
    pub depth: u32,
    /// Members of outer roots that are its ancestors.
    pub above: u32,
    /// Processes it forked that are not gone: alive, or with living descendants. Too high at most.
    pub kids: u32,
    /// What others say of the process: `B_FORKED`, `B_STOPPED`, `B_KID`. Not in `flags`, where a store of the task would undo it.
    pub of_process: u32,
    /// End, `CLOCK_BOOTTIME` ns; 0 while it lives.
    pub ended: u64,
}

impl Member {
    /// Nothing is known.
    pub const BLANK: Self = Self {
        root: 0,
        generation: 0,
        flags: 0,
        tgid: 0,
        leader_start: 0,
        walk: 0,
        inode: 0,
        creator_start: 0,
        creator_tgid: 0,
        uid: 0,
        born: 0,
        comm: [0; 16],
        execs: 0,
        threads: 0,
        depth: 0,
        above: 0,
        kids: 0,
        of_process: 0,
        ended: 0,
    };

    /// What decides of it.
    #[inline(always)]
    pub fn birth(&self) -> Birth {
        Birth {
            root: self.root,
            generation: self.generation,
            flags: self.flags,
            tgid: self.tgid,
            leader_start: self.leader_start,
            walk: self.walk,
        }
    }

    /// A task with nothing beside it. Word for word: a constant to copy from would be global data, which kernels before 5.2 do not take.
    #[inline(always)]
    pub fn of(b: &Birth) -> Self {
        Self {
            root: b.root,
            generation: b.generation,
            flags: b.flags,
            tgid: b.tgid,
            leader_start: b.leader_start,
            walk: b.walk,
            inode: 0,
            creator_start: 0,
            creator_tgid: 0,
            uid: 0,
            born: 0,
            comm: [0; 16],
            execs: 0,
            threads: 0,
            depth: 0,
            above: 0,
            kids: 0,
            of_process: 0,
            ended: 0,
        }
    }

    /// With what others say of the process among its flags, as readers want it.
    pub fn whole(self) -> Self {
        Self { flags: self.flags | self.of_process, ..self }
    }

    /// Whether the record of this process stands here.
    #[inline(always)]
    pub fn is_record(&self, tgid: u32) -> bool {
        self.tgid == tgid && self.flags & B_THREAD == 0
    }
}

/// The key in `births` of a process's record that stands apart. No task has it: bits 62 and 63 are both set in the address of a task
/// (the kernel's half), and both clear in its number.
#[inline(always)]
pub const fn process_key(tgid: u32) -> u64 {
    1 << 62 | tgid as u64
}

/// True for keys that [`process_key`] makes.
#[inline(always)]
pub const fn is_process_key(key: u64) -> bool {
    key >> 62 == 1
}

const _: () = assert!(size_of::<Member>() == 112);
// The programs of the sweep and of the promise read the first words of an element as those of a Birth.
const _: () = assert!(core::mem::offset_of!(Member, walk) == core::mem::offset_of!(Birth, walk));
