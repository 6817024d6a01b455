//! What lets a survivor end.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step of `--unstick`: what holds processes that were sent SIGKILL, and what lets them end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct UnstickStep {
    /// `thaw-freezer`, `abort-fuse`, `umount-nfs`, `release-tracer`.
    pub kind: String,
    /// What it is done to: a freezer's directory, a FUSE connection, a mount, the tracer.
    pub target: String,
    /// The processes of the service that it holds.
    pub members: Vec<u32>,
    /// Processes of others that it reaches as well; absent: that could not be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<u64>,
    /// Some of them, each with its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// What it does to them, and what was not looked at.
    pub effect: String,
    /// The same by hand.
    pub command: String,
    /// The command that undoes it; absent: it cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// It was done.
    pub done: bool,
    /// It was undone afterwards, because others were held by it as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
    /// `shown`, `by-hand` (never done by killer, see `why`), `refused`, `done`, `failed`, `not-needed`.
    pub result: String,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
