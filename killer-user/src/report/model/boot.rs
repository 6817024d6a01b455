//! What `install-boot` did, path by path.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::SCHEMA_VERSION;
use crate::ending::Ending;

/// What became of a boot file, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Did {
    /// It was not there.
    Written,
    /// An older one of killer's was there.
    Replaced,
    /// It is a link, and was not there.
    Linked,
    /// Lines were put into a file of somebody else's.
    Added,
    /// It was as it should be.
    Unchanged,
    /// It is gone: a file or a link of killer's.
    Removed,
    /// Lines of killer's were taken out of a file of somebody else's.
    TakenOut,
    /// It was changed since killer wrote it, and was left as it is.
    Kept,
    /// A program of the host's was run.
    Ran,
}

/// One boot file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct BootChange {
    /// What was done.
    pub did: Did,
    /// The file or the link; of a program its command line.
    pub path: String,
    /// Where the link points to, or what should be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `install-boot`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct BootFiles {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `install-boot`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "install-boot")))]
    pub kind: &'static str,
    /// The init; absent when all that was ever installed was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<&'static str>,
    /// Nothing was done, only looked up.
    pub dry_run: bool,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// Path by path.
    pub changes: Vec<BootChange>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

impl BootFiles {
    /// Nothing done yet.
    pub fn new(init: Option<&'static str>, dry_run: bool) -> Self {
        Self {
            version: SCHEMA_VERSION,
            kind: "install-boot",
            init,
            dry_run,
            ending: Ending::Done,
            changes: Vec::new(),
            notes: Vec::new(),
        }
    }
}
