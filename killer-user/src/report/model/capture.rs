//! `capture`, `verify-capture`: the manifest of a capture, and what was found in one.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exactness, Frozen, SCHEMA_VERSION};
use crate::ending::Ending;
use crate::sys::clock;

/// One moment by two clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct BothClocks {
    /// CLOCK_BOOTTIME, ns: what starts and the records of parts are in.
    pub boottime: u64,
    /// CLOCK_REALTIME, RFC 3339 in UTC.
    pub realtime: String,
}

impl BothClocks {
    /// This moment.
    pub fn now() -> Self {
        Self { boottime: clock::boottime_ns(), realtime: jiff::Timestamp::now().to_string() }
    }
}

/// What was not captured, or not in whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct LeftOut {
    /// The part, or the process.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The host of a capture.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CaptureHost {
    /// Its name (`uname -n`).
    pub name: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Its version, with the date of its build.
    pub version: String,
    /// The machine's architecture.
    pub machine: String,
    /// Identifies the boot (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// Command line of the kernel.
    pub command_line: String,
}

/// What made a capture.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CaptureTool {
    /// Version of killer.
    pub version: String,
    /// SHA-256 of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// SHA-256 of the eBPF object that it embeds, whether or not this tier uses it.
    pub object: String,
    /// Tier that keeps the set.
    pub tier: String,
    /// The caller.
    pub uid: u32,
}

/// What was asked for.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CaptureAsked {
    /// `none`, `private`, `all`.
    pub memory: String,
    /// Ranges of memory, where only these were wanted: `PID:START-END`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<String>,
    /// What was to become of the set: `keep`, `thaw`, `kill`.
    pub then: String,
    /// Seconds that it might take.
    pub timeout_s: u64,
    /// Bytes that it might be.
    pub most_bytes: u64,
}

/// The manifest of a capture (`manifest.json`, its last entry); the first entry (`capture.json`) is the same as far as it was known
/// at the beginning.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Manifest {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `capture`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "capture")))]
    pub kind: &'static str,
    /// The service.
    pub service: String,
    /// What made it.
    pub tool: CaptureTool,
    /// Where.
    pub host: CaptureHost,
    /// What was asked for.
    pub asked: CaptureAsked,
    /// When it began.
    pub began: BothClocks,
    /// When all was held as well as it could be.
    pub held: BothClocks,
    /// When the last part had been read; empty in `capture.json`.
    pub ended: BothClocks,
    /// The set was frozen before.
    pub frozen_before: bool,
    /// How the set was held when the last part had been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// How sure the set is.
    pub exactness: Exactness,
    /// Why parts may be of different moments, or somebody may be missing.
    pub doubts: Vec<String>,
    /// Processes that were captured.
    pub members: u64,
    /// Parts before the manifest.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records before the manifest.
    pub records: u64,
    /// SHA-256 of the last of them, which has that of the one before it, and so on.
    pub last_record: String,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// The same, so many more.
    pub left_out_more: u64,
    /// The signal that has cut it short, or another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
}

/// A line of a record: one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CapturePart {
    /// Name of the entry.
    pub path: String,
    /// Bytes as they are stored.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Size of the file, when only its data are stored (GNU's sparse format 1.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sparse: Option<u64>,
    /// When it began, CLOCK_BOOTTIME ns.
    pub at: u64,
}

/// `capture`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Captured {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `captured`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "captured")))]
    pub kind: &'static str,
    /// The file.
    pub file: String,
    /// Its bytes.
    pub file_bytes: u64,
    /// SHA-256 of the whole file: kept elsewhere, it proves that nobody has changed file and manifest together.
    pub sha256: String,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// What became of the set: `kept`, `thawed`, `killed`; `failed`: see the messages.
    pub then: String,
    /// The manifest.
    pub manifest: Manifest,
}

impl Captured {
    /// Nothing done yet.
    pub fn new(file: String, manifest: Manifest) -> Self {
        Self {
            version: SCHEMA_VERSION,
            kind: "captured",
            file,
            file_bytes: 0,
            sha256: String::new(),
            ending: Ending::Done,
            then: String::new(),
            manifest,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CaptureState {
    /// All is there, and as it was written.
    Whole,
    /// It ends too soon; what is vouched for is as it was written.
    Incomplete,
    /// Something is not as it was written.
    Changed,
    /// It is no capture.
    #[default]
    None,
}

/// `verify-capture`
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CaptureCheck {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `verify-capture`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "verify-capture")))]
    pub kind: &'static str,
    /// The file.
    pub file: String,
    /// What it is.
    pub state: CaptureState,
    /// The first thing that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The service, as its manifest, or its first entry, has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Parts whose digests are as they were written.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Parts that are there, and of which no record says what they were: they may be anything.
    pub unvouched: u64,
    /// What the manifest says is not in it.
    pub left_out: u64,
    /// Bytes of the file that were read.
    pub file_bytes: u64,
    /// SHA-256 of the file; absent when it was not read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// `capture --export`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct CaptureExport {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `capture-export`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "capture-export")))]
    pub kind: &'static str,
    /// The capture.
    pub file: String,
    /// Body file that was made (mactime 3.x).
    pub body: String,
    /// Events that were made (Timesketch).
    pub ndjson: String,
    /// Rows of the body file.
    pub rows: u64,
    /// Events.
    pub events: u64,
}

impl CaptureExport {
    /// What was made.
    pub fn new(file: String, body: String, ndjson: String, rows: u64, events: u64) -> Self {
        Self { version: SCHEMA_VERSION, kind: "capture-export", file, body, ndjson, rows, events }
    }
}
