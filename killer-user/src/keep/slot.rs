//! The name of a root.

/// A root: slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Slot, 1 to `MAX_ROOTS - 1`.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
}
