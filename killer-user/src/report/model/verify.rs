//! `verify`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{Counts, Exactness, Process};

/// What one other way of finding the members would have found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct OtherWay {
    /// What it is called.
    pub way: String,
    /// What looks like that.
    pub used_by: String,
    /// Members that it finds.
    pub found: usize,
    /// Members that it misses.
    pub missed: Vec<Process>,
    /// Processes that are no members and that it would hit.
    pub strangers: Vec<Process>,
    /// Why it could not be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// `verify`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Verify {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `verify`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "verify")))]
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// Members now.
    pub members: Vec<Process>,
    /// Members by the kernel's count, and in the index.
    pub counts: Counts,
    /// Every other way.
    pub ways: Vec<OtherWay>,
    /// How sure the members are.
    pub exactness: Exactness,
    /// Index entries without a process, or processes whose entry says otherwise; empty when all agree.
    pub disagreements: Vec<String>,
}
