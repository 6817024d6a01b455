//! `watch`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// Who sent a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Sender {
    /// The process in whose context it was sent.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Its real uid.
    pub uid: u32,
    /// The kernel sent it on its own account, for a fault or a timer: the process only ran in that moment.
    pub kernel: bool,
}

/// The file of an exec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct File {
    /// The path as it was executed; missing where programs may not read it (lockdown=confidentiality).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Major and minor number of its filesystem's device, with a colon.
    pub dev: String,
    /// Its inode there.
    pub ino: u64,
}

/// A line of `watch`: one event.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Happened {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `event`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "event")))]
    pub kind: &'static str,
    /// `fork`, `exec`, `exit`, `signal`; `frozen`, `thawed`, `reason` (why a service may not be exact); `lost` (events that had no
    /// place, or were not seen), `tracker` (its hooks are gone).
    pub event: &'static str,
    /// When.
    pub at: String,
    /// The same, in ns of the Unix time; the wall clock's of when the watch began, and the boot clock since then.
    pub unix_ns: u64,
    /// Innermost service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Services around that one, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<String>,
    /// The process: the newborn of a fork, the receiver of a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Start of its leader, CLOCK_BOOTTIME ns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// Its pidfs inode (6.9+).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its real uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Of a fork: the process that forked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<u32>,
    /// Of an exec: the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// Of an exec: arguments; missing where they could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// There were more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub args_cut: bool,
    /// Of an end: its exit code, where it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// Of an end: the signal that ended it; of a signal: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Of an end: it dumped core.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub core_dumped: bool,
    /// Of an end: from its start on, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_us: Option<u64>,
    /// Of a signal, and of an end by one that was seen: who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// Of a signal: `delivered` (queued), `ignored`, `already-pending`, `overflow` (it was lost).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'static str>,
    /// How many events were lost here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
