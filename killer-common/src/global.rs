//! The record of the tracker as a whole.

/// `global`: figures of the tracker as a whole.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Global {
    /// When the tracker was loaded, `CLOCK_BOOTTIME` ns.
    pub loaded: u64,
    /// Adopt mode until then, `CLOCK_MONOTONIC` ns.
    pub adopt_until: u64,
    /// Edges that did not fit or could not be read.
    pub edge_errors: u64,
    /// Walks that were begun.
    pub walks: u64,
    /// Tasks that the current walk added.
    pub added: u64,
    /// Tasks that a walk saw.
    pub seen: u64,
    /// Adoptions refused because the task belongs to another root.
    pub foreign: u64,
    /// Highest slot ever used.
    pub high_slot: u64,
    /// Root that the adoption under way fills, 0 = none.
    pub adopt_slot: u32,
    /// Generation of that slot.
    pub adopt_generation: u32,
    /// Process that the adoption starts from.
    pub adopt_tgid: u32,
    /// Entries of `births` removed by walks and reaps.
    pub walk_claims: u32,
    /// Its start, clock ticks.
    pub adopt_start: u64,
    /// Index entries written by walks.
    pub walk_indexed: u64,
    /// Skipped hook runs that have been accounted for.
    pub misses_noted: u64,
    /// The programs write to their log until then, `CLOCK_MONOTONIC` ns.
    pub log_until: u64,
    /// Its pidfs inode, 0 = not compared.
    pub adopt_inode: u64,
    /// Entries of `seeds`: 0 proves that no task is marked.
    pub marks: u64,
    /// Entries that `task_free` claimed: failed forks, and exits that were missed.
    pub freed: u64,
    /// Tasks that have left their root, the last ones: a process that ends as their parent does not take them in again. Of two that leave
    /// at once one may not be noted, which matters only when its parent, a member, ends before it does.
    pub left: [u64; 4],
    /// How many there were.
    pub leaves: u64,
    /// Reaps that were begun: births at addresses of stale entries are doubtful while one is under way.
    pub reaps: u64,
    /// Reaps that have ended.
    pub reaped: u64,
    /// Entries of `ancestors`.
    pub ancestors: u64,
    /// Which set of rules is in force, 1 or 2; 0 = none.
    pub rules: u32,
    /// [`crate::rule::OTHER_USERS`]
    pub rules_flags: u32,
    /// The dentry of the root directory of those whose execs are looked at: the host's.
    pub rules_root: u64,
    /// Matches that found no free slot.
    pub rule_slots: u64,
    /// Instances that were opened.
    pub opened: u64,
    /// Instances that were given back.
    pub given_back: u64,
    /// Highest slot of the pool ever used.
    pub high_instance: u64,
    /// Root that the adoption under way takes members out of, 0 = none.
    pub move_from: u32,
    /// Generation of that slot.
    pub move_generation: u32,
    /// Tasks that were moved.
    pub moved: u64,
    /// The task whose walk moves: no two walks move at once.
    pub move_by: u64,
    /// What was asked for last: device of the working directory of the task `asked_by`.
    pub asked_dev: u64,
    /// Its inode.
    pub asked_ino: u64,
    /// The task that asked: thread id. With [`crate::rule::AT_EXEC`]: the process whose child answers by its exec.
    pub asked_by: u64,
    /// The dentry of the root directory of the task that answered by its exec.
    pub asked_root: u64,
    /// What [`crate::rule::mark`] makes of the inodes of all directories that rules name: most others are told apart by it.
    pub rules_dirs: u64,
    /// The same of the first eight bytes of their paths.
    pub rules_paths: u64,
}

const _: () = assert!(size_of::<Global>() == 320);
