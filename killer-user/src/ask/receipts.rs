//! Whether an order's receipt is kept, and how.

use std::path::PathBuf;

use super::word::Word;

/// Whether it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Where it can be; where it cannot, the kill goes on all the same.
    #[default]
    Usual,
    /// Where it cannot be, nothing is done.
    Required,
    /// It is not.
    No,
}

impl Word for When {
    const ALL: &[(Self, &'static str)] =
        &[(Self::Usual, "yes"), (Self::Required, "required"), (Self::No, "no")];
}

/// Whether it is kept, and with which key it is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Whether.
    pub when: When,
    /// A secret key's file; `None`: the usual one, where there is one.
    pub key: Option<PathBuf>,
}
