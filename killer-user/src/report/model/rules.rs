//! What rules there are, and what they do.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::HostReason;

/// A file that a rule does not cover.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Uncovered {
    /// The file.
    pub path: String,
    /// Why.
    pub text: String,
}

/// One rule.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Rule {
    /// Where it says what it matches: `FILE:LINE`.
    pub source: String,
    /// Whose file that is: `built-in`, `package`, `admin`.
    pub origin: &'static str,
    /// Which field says what it matches: `scripts`, `argument`, `run`, `program`.
    pub match_kind: &'static str,
    /// The directories or files that it names.
    pub paths: Vec<String>,
    /// What is cut off a file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip: Option<String>,
    /// Files that name no service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Whose execs match, where it is not root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Other names of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Where its main process is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pidfile: Option<String>,
    /// The command that stops it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Services that it covers on this host now.
    pub services: Vec<String>,
    /// Files that it does not cover, each with the reason.
    pub not_covered: Vec<Uncovered>,
    /// What it names and is not there.
    pub absent: Vec<String>,
}

/// What the rules in force have done.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct RulesInForce {
    /// True: a script is known by its file; false: by its path as it was typed.
    pub by_file: bool,
    /// Instances that were opened since the tracker was loaded.
    pub opened: u64,
    /// Of these, those that have ended and gave their place back.
    pub given_back: u64,
    /// Matches that found no free place: the process stayed where it was.
    pub no_slots: u64,
    /// Runs of the hooks that the kernel skipped (5.12+). Where a hook is there twice, only an exec of which both were skipped
    /// went unseen.
    pub skipped: u64,
    /// Why services may run without their names.
    pub host_reasons: Vec<HostReason>,
}

/// `rule list`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Rules {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `rules`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "rules")))]
    pub kind: &'static str,
    /// `in-force`, `not-in-force`, or `unknown`: this caller may not ask.
    pub state: &'static str,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What the rules in force have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<RulesInForce>,
    /// Every rule, as the files are now.
    pub rules: Vec<Rule>,
    /// Files without a rule, that switch off the file whose place they take.
    pub switched_off: Vec<String>,
}

/// `rule test`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct RuleTest {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `rule-test`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "rule-test")))]
    pub kind: &'static str,
    /// The file as it was given.
    pub path: String,
    /// The file that is executed, with no link in its path.
    pub file: String,
    /// What stands behind it.
    pub args: Vec<String>,
    /// Who executes it.
    pub uid: u32,
    /// `opens` an instance, `stays` in the instance that it is in, `nothing`.
    pub outcome: &'static str,
    /// The service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The rule: `FILE:LINE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why nothing is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One error in a rule file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// Line, from 1; 0: the whole file.
    pub line: u32,
    /// Column in characters, from 1; 0: the whole line.
    pub column: u32,
    /// What is wrong.
    pub text: String,
}

/// `rule check`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct RuleCheck {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `rule-check`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "rule-check")))]
    pub kind: &'static str,
    /// True: there is no error.
    pub good: bool,
    /// Every error.
    pub errors: Vec<RuleError>,
}
