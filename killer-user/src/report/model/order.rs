//! What one order did: receipts, and what `stop` did with several of them.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{Counts, Exactness, Kept, Moment, Outside, Process, UnstickStep};
use crate::ending::Ending;

/// What became of a process.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Signalled {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// `signalled`, `gone`, `refused`; in a dry run `would-signal`.
    pub result: String,
    /// The kernel's words when it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The processes that are still there, each with the reason.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Survivor {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// Short code of the reason.
    pub code: String,
    /// The reason in words.
    pub text: String,
    /// The command that lets it end, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

/// The caller.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Caller {
    /// Real uid.
    pub uid: u32,
    /// This killer.
    pub pid: u32,
    /// It and its ancestors, as the guard saw them before the first signal.
    #[serde(skip)]
    pub line: Vec<u32>,
}

/// Times of one order.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Times {
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub started: Moment,
    /// µs until the last signal was sent.
    pub signalled_us: u64,
    /// µs until the engine was done.
    pub ended_us: u64,
    /// µs until everything was released, when that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_us: Option<u64>,
}

/// What one order to one service did.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Receipt {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `receipt`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "receipt")))]
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// Signal number.
    pub signal: i32,
    /// Signal name.
    pub signal_name: String,
    /// Value of a real-time signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i32>,
    /// Which processes it was for.
    pub whom: String,
    /// Nothing was signalled, only looked up.
    pub dry_run: bool,
    /// The caller.
    pub asked_by: Caller,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// Tier that kept the set.
    pub tier: &'static str,
    /// Gates that were closed.
    pub gates: Vec<&'static str>,
    /// How sure the set is.
    pub exactness: Exactness,
    /// Main process at the beginning.
    pub main_pid: Option<u32>,
    /// Nobody has said that it is the main process: it was guessed when the first process had ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main_guessed: bool,
    /// Processes before.
    pub processes: u64,
    /// Tasks before, by the kernel's own count.
    pub tasks: i64,
    /// What is left.
    pub left: Counts,
    /// The kernel says that the service is empty.
    pub empty: bool,
    /// Everything has let go of files, ports and memory; absent when that was not waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<bool>,
    /// Passes over the set.
    pub passes: u32,
    /// Pending forks of launchers that were cancelled.
    pub cancelled: usize,
    /// Services inside of this one that it ends as well (SIGKILL, SIGTERM, SIGINT, SIGQUIT).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ends: Vec<String>,
    /// Every process that the signal was for.
    pub targets: Vec<Signalled>,
    /// Processes that are still there.
    pub survivors: Vec<Survivor>,
    /// Processes that have ended and let go of everything, but are not reaped by their parents yet: their numbers are
    /// taken until then. With `--wait=reaped` all of them, else main processes only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreaped: Vec<Survivor>,
    /// With `--unstick`: what holds the survivors, and what was done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstick: Vec<UnstickStep>,
    /// Times.
    pub times: Times,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
    /// Of a dry run: what outside of its targets depends on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
    /// Where this is kept; absent for a dry run, a probe, and a signal that is part of something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// The stop command of a service.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct StopCommand {
    /// As it was given, or as the service's init has it.
    pub command: String,
    /// It is the way of the service's init, or of its supervisor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub official: bool,
    /// Its status; absent when it did not end in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `stop`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Stop {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `stop`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "stop")))]
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// `control-group`, `mixed`, `process`.
    pub mode: &'static str,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// Its stop command, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<StopCommand>,
    /// Every signal that was sent.
    pub steps: Vec<Receipt>,
    /// Services inside of this one that it ends as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ends: Vec<String>,
    /// The kernel says that the service is empty.
    pub empty: bool,
    /// Everything has let go of files, ports and memory.
    pub released: bool,
    /// Processes that are still there.
    pub survivors: Vec<Survivor>,
    /// Processes that have ended and let go of everything, but are not reaped by their parents yet: their numbers are
    /// taken until then. With `--wait=reaped` all of them, else main processes only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreaped: Vec<Survivor>,
    /// µs from the beginning to the end.
    pub took_us: u64,
    /// How sure the set is.
    pub exactness: Exactness,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
    /// Where this is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}
