//! What `killer top` is asked for.

use std::time::Duration;

use super::fuse::Fuse;
use super::receipts::Receipts;

/// What is shown, and how what is done from there is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// Services, or globs; none: all.
    pub names: Vec<String>,
    /// So often it is looked.
    pub every: Duration,
    /// How many processes a signal may be for.
    pub fuse: Fuse,
    /// What is kept of it.
    pub receipts: Receipts,
}
