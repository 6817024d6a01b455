//! What `status` shows of instances.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// One instance of a service: what one match of a rule has opened, or what was adopted.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Instance {
    /// Since when.
    pub since: String,
    /// Seconds since then.
    pub age_s: u64,
    /// What was executed, and the word after it; of an adopted one its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The process that executed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opener: Option<u32>,
    /// Main process.
    pub main_pid: Option<u32>,
    /// Processes in it.
    pub processes: u64,
    /// All of these are left over.
    pub left_over: bool,
}

/// A service that a rule knows and that was started inside of a service which keeps its descendants.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Stayed {
    /// Its name.
    pub name: String,
    /// How often it was started there.
    pub times: u64,
}
