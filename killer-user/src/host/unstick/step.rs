//! One step: what is told of it, and what does it.

use crate::report::model::UnstickStep;
use crate::sys::afterwards::Afterwards;
use crate::sys::kernel_fs::KernelDir;

use super::look::Stuck;

/// What a step acts on. It was opened when it was found, so that a name that leads elsewhere by now fools nobody.
#[derive(Debug)]
pub enum Act {
    /// A freezer of cgroup v1, by its directory.
    Thaw(KernelDir),
    /// A FUSE connection, by its directory; not `certain`: others wait, too, and it is only likely to be this one.
    Abort {
        /// Its directory.
        dir: KernelDir,
        /// No other connection of this host can be the one.
        certain: bool,
    },
    /// An NFS mount: number and path.
    Unmount(u64, Vec<u8>),
    /// Nothing that is done here.
    ByHand,
}

/// A step, before and after it is done.
#[derive(Debug)]
pub struct Step {
    /// What is told of it.
    pub told: UnstickStep,
    /// What does it.
    pub act: Act,
    /// Those that it is for.
    pub of: Vec<Stuck>,
    /// Undoes it when this process is killed before it could.
    pub otherwise: Option<Afterwards>,
}
