//! Rules in the kernel: services get their names at exec. What the rules are is told by those above.

use std::fmt::Debug;
use std::path::Path;

use killer_common::rule::{Directory, FileKey, PathKey, Rule};

use super::{KeepError, Slot};

/// A set of rules, as the programs read it. The set's number in the keys is filled in by whoever puts it in force.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Files, and what they open.
    pub files: Vec<(FileKey, Rule)>,
    /// Directories as they are typed, with their last slash: for kernels where no program sees the file of a script.
    pub paths: Vec<(PathKey, Directory)>,
    /// Some rule is for another user than root.
    pub other_users: bool,
}

/// What the rules have done since the tracker was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// True when a set is in force.
    pub in_force: bool,
    /// False when a hook of them is not attached any more, so that nothing is opened.
    pub attached: bool,
    /// Instances that were opened.
    pub opened: u64,
    /// Instances that were given back.
    pub given_back: u64,
    /// Matches that found no free slot, and opened nothing.
    pub no_slots: u64,
    /// Runs of the hooks that the kernel skipped (5.12+; without a witness). Where a hook is there twice, both runs of one exec have
    /// to be skipped for nobody to look at it.
    pub skipped: u64,
    /// So many execs at most were looked at by no hook, or by none that sees the file of a script.
    pub missed: u64,
}

/// What a tier can that knows rules.
pub trait Rules: Debug {
    /// Device and inode of a directory as the kernel has them, which on some file systems (btrfs, overlayfs) are not what `stat`
    /// shows. The programs are loaded for it when they are not there.
    fn directory(&self, path: &Path) -> Result<(u64, u64), KeepError>;
    /// Puts a set of rules in force in place of the one before, in one step; the root directory of the caller is the one whose
    /// execs are looked at. The programs are loaded when they are not there. Under [`super::Registry::lock`].
    fn put(&self, table: &Table) -> Result<(), KeepError>;
    /// No rule is in force any more; answers which set was, for [`Self::resume`]. What is open goes on.
    fn withdraw(&self) -> Result<u32, KeepError>;
    /// That set is in force again.
    fn resume(&self, set: u32) -> Result<(), KeepError>;
    /// What they have done.
    fn opened(&self) -> Opened;
    /// True when a script is seen by its file; false when by what was typed.
    fn by_file(&self) -> bool;
    /// Services that a rule knows and that were started inside of a root which keeps its descendants, and how often.
    fn inside(&self, root: Slot) -> Result<Vec<(String, u64)>, KeepError>;
}
