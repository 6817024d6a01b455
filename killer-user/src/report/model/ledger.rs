//! Receipts as the ledger keeps them, a line each, and what is told of the ledger.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Exactness, UnstickStep};
use crate::ending::Ending;

/// The program that wrote a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Program {
    /// Version.
    pub version: String,
    /// SHA-256 of what `sha256sum *.bpf.o` says of the eBPF objects that are embedded in it.
    pub objects: String,
    /// Its file.
    pub exe: Option<String>,
    /// Bytes of that file.
    pub size: Option<u64>,
    /// When that file was last written, seconds since 1970.
    pub modified: Option<i64>,
}

/// This killer, or a process above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct AskingProcess {
    /// Process number.
    pub pid: u32,
    /// Start of its leader, CLOCK_BOOTTIME ns, to the clock tick.
    pub start: Option<u64>,
    /// Name.
    pub comm: Option<String>,
    /// Program file, by the kernel's word.
    pub exe: Option<String>,
    /// Why something of it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Who asked, by the kernel's word: nothing here is what the caller says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct AskedBy {
    /// Real uid.
    pub uid: u32,
    /// Effective uid.
    pub euid: u32,
    /// The user who logged in, whoever he has become since (`/proc/self/loginuid`); null: nobody, as for a daemon or at boot.
    pub login_uid: Option<u32>,
    /// The audit session of that login; null: none.
    pub session_id: Option<u32>,
    /// This killer, its parent, and so on up to process 1.
    pub processes: Vec<AskingProcess>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// A signal that a process got, or was to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Got {
    /// Signal name.
    pub signal: String,
    /// `signalled`, `gone`, `refused`.
    pub result: String,
    /// The kernel's words when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Of a process that outlived it until SIGKILL was about to follow, what it did with it then: `ignored`, `blocked`, `caught`,
    /// `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlived: Option<String>,
}

/// How a process ended, as far as that was known when the line was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct End {
    /// `ended`; `lives`; `unknown`: nobody waited for it.
    pub state: String,
    /// Why it lives on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its exit status, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The signal that ended it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_signal: Option<String>,
    /// The kernel wrote a core file, or gave one to a program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub core_dumped: bool,
    /// The kernel had chosen it when memory ran out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_memory: bool,
    /// Who had sent that signal, where signals are recorded (`up --lineage`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<EndSender>,
    /// In a receipt: it ended by a signal that this order had sent it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_order: bool,
    /// In a receipt: µs from the beginning of the order to its end; not of one that ended with code 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_us: Option<u64>,
}

/// Who sent a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct EndSender {
    /// `process`; `itself`; `kernel`: on its own account, for a fault or a timer; `program`: a BPF program while that process ran, a sweep of
    /// `killer` or a gate; `process-or-kernel`: it bears the code of a timer or a device, which a process can write, too, or no code can be
    /// read (lockdown=confidentiality).
    pub kind: String,
    /// Process number; none of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name when it sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its real uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// What it had executed last, where that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// When it was sent.
    pub at: String,
}

/// A process that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct KeptProcess {
    /// Process number.
    pub pid: u32,
    /// Start of its leader, CLOCK_BOOTTIME ns.
    pub start: u64,
    /// pidfs inode: names the process for that boot (6.9+).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Name.
    pub comm: String,
    /// Real uid.
    pub uid: u32,
    /// Process that forked it.
    pub creator: u32,
    /// It was the main process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main: bool,
    /// It was a control process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub control: bool,
    /// Innermost service that it belonged to.
    pub service: String,
    /// Every signal, in the order of sending.
    pub got: Vec<Got>,
    /// How it ended.
    pub end: End,
}

/// What was done to a service: everything of a line but its place in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Deed {
    /// When it was written, RFC 3339 in UTC, by the wall clock.
    pub at: String,
    /// The same by CLOCK_BOOTTIME, ns, which nobody can set.
    pub boottime_ns: u64,
    /// The boot that this clock counts from.
    pub boot_id: String,
    /// The program that did it.
    pub program: Program,
    /// Who asked.
    pub asked_by: AskedBy,
    /// `signal`, `stop`, `kill-on-exit`.
    pub form: String,
    /// Service.
    pub service: String,
    /// Signals, in the order of sending.
    pub signals: Vec<String>,
    /// Which processes it was for: a set of `--whom`, a mode of `stop`.
    pub whom: String,
    /// How it ended, in a word (docs/ENDINGS.md).
    pub outcome: String,
    /// Exit code that this outcome means.
    pub exit_code: u8,
    /// Tier that kept the set.
    pub tier: String,
    /// How sure the set was.
    pub exactness: Exactness,
    /// Before: processes, and tasks by the kernel's own count.
    pub before: Counts,
    /// After.
    pub left: Counts,
    /// The kernel's count said that the service was empty.
    pub empty: bool,
    /// Everything had let go of files, ports and memory; absent when that was not waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<bool>,
    /// Services inside of it that it ended as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_ends: Vec<String>,
    /// µs from the beginning to the end.
    pub took_us: u64,
    /// Every process that was there, or so many of them.
    pub processes: Vec<KeptProcess>,
    /// So many more are not in the list.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub left_out: u64,
    /// With `--unstick`: what held survivors, and what was done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstick: Vec<UnstickStep>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A line of the ledger: a receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct KeptReceipt {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `kept-receipt`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "kept-receipt")))]
    pub kind: String,
    /// Lines are numbered from 1 on, over all files.
    pub number: u64,
    /// SHA-256 of the line before it, without its newline; zeros before the first line.
    pub prev: String,
    /// What it is called.
    pub id: String,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
    /// The key that it is signed with: the first 8 bytes of SHA-256 of the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Ed25519 signature of the line as it is without this last field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

/// Where the receipt of an order is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Kept {
    /// What it is called: `killer receipts ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// SHA-256 of its line: the head of the ledger at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// It is signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// Why it is kept nowhere, or without its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One line of `receipts`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ReceiptRow {
    /// Number of its line.
    pub number: u64,
    /// What it is called.
    pub id: String,
    /// When it was written.
    pub at: String,
    /// Service.
    pub service: String,
    /// `signal`, `stop`, `kill-on-exit`.
    pub form: String,
    /// Signals, in the order of sending.
    pub signals: Vec<String>,
    /// Processes that were signalled.
    pub signalled: u64,
    /// How it ended, in a word.
    pub outcome: String,
    /// Exit code that this outcome means.
    pub exit_code: u8,
    /// Real uid of the caller.
    pub uid: u32,
    /// The user who logged in.
    pub login_uid: Option<u32>,
}

/// `receipts`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct ReceiptList {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `receipts`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "receipts")))]
    pub kind: &'static str,
    /// Where they are kept.
    pub place: String,
    /// Oldest first.
    pub receipts: Vec<ReceiptRow>,
    /// Older ones that are not shown (never in a document).
    #[serde(skip)]
    pub more: u64,
    /// Lines that are no receipts although they should be; `--verify` says what is wrong.
    pub unread: u64,
}

/// A place in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct LedgerPlace {
    /// File.
    pub file: String,
    /// Line in it, from 1 on; 0: the file as a whole.
    pub line: u64,
    /// What is there.
    pub what: String,
}

/// `receipts --verify`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct LedgerCheck {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `receipts-check`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "receipts-check")))]
    pub kind: &'static str,
    /// Where they are kept.
    pub place: String,
    /// How it ended: `outcome` and `exit_code`.
    #[serde(flatten)]
    pub ending: Ending,
    /// Files that were read.
    pub files: u64,
    /// Lines that are as they were written.
    pub lines: u64,
    /// Receipts among them.
    pub receipts: u64,
    /// Number of the first line that is kept; older ones were dropped when files were full.
    pub first: u64,
    /// Lines with a signature.
    pub signed: u64,
    /// Lines at the end that no signature vouches for; absent without a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsigned_end: Option<u64>,
    /// SHA-256 of the last line.
    pub head: Option<String>,
    /// Lines that were written after the head that was given; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_head: Option<u64>,
    /// Lines that a crash has cut.
    pub torn: Vec<LedgerPlace>,
    /// The first thing that is wrong.
    pub wrong: Option<LedgerPlace>,
}
