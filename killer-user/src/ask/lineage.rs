//! What is recorded of processes that are members of nothing yet.

use super::Word;

/// Of whom the recorder keeps who forked it and what it has executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// Of nobody: of members their forks, as long as a descendant lives.
    Off,
    /// Of members, what they execute, too.
    Services,
    /// Of every process of the host.
    All,
}

impl Word for Lineage {
    const ALL: &[(Self, &'static str)] =
        &[(Self::Off, "off"), (Self::Services, "services"), (Self::All, "all")];
}
