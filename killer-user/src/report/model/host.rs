//! What the host has, and what a test of it gave.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// Why services of this host may run without their names, although rules are in force. What is said of the exactness of a service is
/// not touched by it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct HostReason {
    /// `missed-exec`: the kernel skipped the hooks of the rules. `rule-slots`: all places for instances were taken.
    /// `rules-detached`: a hook of the rules is gone.
    pub code: String,
    /// Words.
    pub text: String,
    /// Starts that may have gone unseen, at most, since the tracker was loaded; of `rules-detached` 1.
    pub count: u64,
}

/// One line of `doctor`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// `ok`, `warn`, `fail`.
    pub result: String,
    /// What was found.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// `doctor`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Doctor {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `doctor`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "doctor")))]
    pub kind: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Tier in use, or that would be.
    pub tier: String,
    /// What it guarantees, in words.
    pub guarantees: Vec<String>,
    /// Why not a better one.
    pub why_not_better: String,
    /// sha256 of the embedded eBPF object, where the tier has programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_sha256: Option<String>,
    /// Checks.
    pub checks: Vec<Check>,
    /// Why services may run without their names.
    pub host_reasons: Vec<HostReason>,
}

/// One trial of `selftest`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Trial {
    /// Name.
    pub name: String,
    /// How its victims try to get away.
    pub what: String,
    /// `pass`, `fail`, `skip`.
    pub result: String,
    /// Why it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Rounds that passed.
    pub rounds: u32,
    /// Processes that were sent KILL, or that told how often a signal came, in all rounds.
    pub processes: usize,
    /// Longest time from the order to the last closed descriptor, µs.
    pub ended_us: u64,
    /// Why its swarm was smaller than elsewhere: what allows no more here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smaller: Option<String>,
    /// Codes of reasons to doubt that were counted.
    pub doubts: Vec<String>,
}

/// `selftest`
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Selftest {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `selftest`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "selftest")))]
    pub kind: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Tier that kept the sets.
    pub tier: &'static str,
    /// Gate at birth, where there is one.
    pub gate: Option<&'static str>,
    /// Each trial once and small.
    pub quick: bool,
    /// Trials that there are; fewer were done after an interrupt.
    pub planned: usize,
    /// Every trial that was done.
    pub trials: Vec<Trial>,
    /// As they must.
    pub passed: usize,
    /// Wrong.
    pub failed: usize,
    /// Not tried, each with its reason.
    pub skipped: usize,
    /// Signal that ended it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// Victims, pins and programs are gone.
    pub clean: bool,
    /// How long it took, µs.
    pub took_us: u64,
    /// What is proven, in one line.
    pub verdict: String,
}
