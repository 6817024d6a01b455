//! What a verb did that has no receipt: small, the same for all of them.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{Counts, Exactness, SCHEMA_VERSION};
use crate::ending::Ending;

/// The verbs whose document this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the verb of this name")]
pub enum Verb {
    Run,
    Adopt,
    Wait,
    SetMain,
    Forget,
    Rename,
    Up,
    Down,
    RuleAdd,
    RuleRemove,
    RuleLoad,
}

/// `run --detach`, `adopt`, `wait`, `set-main`, `forget`, `rename`, `up`, `down`, `rule add`, `rule remove`, `rule load`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Done {
    /// Version of the form of this document.
    pub version: u32,
    /// The verb.
    pub kind: Verb,
    /// The service; absent for `up`, `down` and `rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// Main process now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_pid: Option<u32>,
    /// Its name before (`rename`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Tier that keeps the sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<&'static str>,
    /// Members now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// How sure the set is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exactness: Option<Exactness>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

impl Done {
    /// With an ending and nothing else.
    pub fn new(kind: Verb, service: Option<&str>, ending: Ending) -> Self {
        Self {
            version: SCHEMA_VERSION,
            kind,
            service: service.map(String::from),
            ending,
            main_pid: None,
            was: None,
            tier: None,
            counts: None,
            exactness: None,
            notes: Vec::new(),
        }
    }
}
