//! Models: plain data, versioned, with a JSON schema. Times are RFC 3339, spans microseconds, starts nanoseconds of
//! CLOCK_BOOTTIME.

mod boot;
mod capture;
mod done;
mod happened;
mod host;
mod instance;
mod ledger;
mod moment;
mod order;
mod outside;
mod past;
mod rules;
mod unstick;
mod verify;
mod why;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use boot::{BootChange, BootFiles, Did};
pub use capture::{
    BothClocks, CaptureAsked, CaptureCheck, CaptureExport, CaptureHost, CapturePart, CaptureState,
    CaptureTool, Captured, LeftOut, Manifest,
};
pub use done::{Done, Verb};
pub use happened::{File, Happened, Sender};
pub use host::{Check, Doctor, HostReason, Selftest, Trial};
pub use instance::{Instance, Stayed};
pub use ledger::{
    AskedBy, AskingProcess, Deed, End, EndSender, Got, Kept, KeptProcess, KeptReceipt, LedgerCheck,
    LedgerPlace, Program, ReceiptList, ReceiptRow,
};
pub use moment::Moment;
pub use order::{Caller, Receipt, Signalled, Stop, StopCommand, Survivor, Times};
pub use outside::{HeldLock, HeldMount, Link, Outside, Port, Stranger, Traced};
pub use past::{EndedProcess, Ledger};
pub use rules::{Rule, RuleCheck, RuleError, RuleTest, Rules, RulesInForce, Uncovered};
pub use unstick::UnstickStep;
pub use verify::{OtherWay, Verify};
pub use why::{Ancestor, Executed, Why};

/// Version of every model here.
pub const SCHEMA_VERSION: u32 = 1;

/// A reason why a set may not be exact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Reason {
    /// Short code.
    pub code: String,
    /// Words.
    pub text: String,
    /// How often.
    pub count: u64,
    /// First time.
    pub since: String,
}

/// How sure the set is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Exactness {
    /// True: no way to be wrong was noticed.
    pub exact: bool,
    /// Every reason to doubt.
    pub reasons: Vec<Reason>,
}

/// Processes and tasks are counted apart: a process has one or more tasks (threads).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Counts {
    /// Thread groups in the index.
    pub processes: u64,
    /// Tasks by the kernel's own count.
    pub tasks: i64,
}

/// What identifies a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Process {
    /// Process number, initial PID namespace.
    pub pid: u32,
    /// Start of its leader, CLOCK_BOOTTIME ns.
    pub start: u64,
    /// pidfs inode: names the process for this boot (6.9+).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Name.
    pub comm: String,
    /// Real uid.
    pub uid: u32,
    /// It is the main process.
    pub main: bool,
    /// Nobody has said that it is the main process: it was guessed when the first process had ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guessed: bool,
    /// It is a control process.
    pub control: bool,
    /// It was there before, and was taken in by an adoption; its later children are not called so.
    pub adopted: bool,
    /// Innermost service that it belongs to.
    pub service: String,
    /// Command line, where it was asked for and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Process that forked it.
    pub creator: u32,
}

/// One line of `list`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Service {
    /// Name.
    pub name: String,
    /// `starting`, `live`, `freezing`, `frozen`, `woken` (frozen, but some member runs, or could not be looked at),
    /// `ended`.
    pub state: String,
    /// Main process.
    pub main_pid: Option<u32>,
    /// Nobody has said that it is the main process: it was guessed when the first process had ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main_guessed: bool,
    /// Program and arguments of its first process as they were given, or, of an adopted one, as they were then; the
    /// first 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Now.
    pub counts: Counts,
    /// Processes ever.
    pub ever: u64,
    /// Births are not counted by this tier: `ever` is what was seen at looks, and there may have been more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ever_at_least: bool,
    /// Since when.
    pub since: String,
    /// Seconds since then.
    pub age_s: u64,
    /// How sure.
    pub exactness: Exactness,
    /// Outer service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// Processes that are left over: of an older instance, or of one whose main process has ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_over: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// `list`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Services {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `list`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "list")))]
    pub kind: &'static str,
    /// Every tracked service.
    pub services: Vec<Service>,
    /// Why others may run without their names.
    pub host_reasons: Vec<HostReason>,
}

/// The last signal that was sent by name.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct LastKill {
    /// Signal name.
    pub signal: String,
    /// The caller.
    pub uid: u32,
    /// When.
    pub at: String,
    /// Seconds ago.
    pub age_s: u64,
    /// Exit code of that call.
    pub exit_code: u32,
    /// Processes that it has reached, where that is remembered: `tree --last` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<u64>,
}

/// A node of a tree. It is serialized and dropped without recursion: a lineage can be ten thousand deep.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Node {
    /// The process.
    #[cfg_attr(feature = "schema", serde(flatten))]
    pub process: Process,
    /// False: it has ended.
    pub alive: bool,
    /// Its tasks, where that could be read.
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub tasks: Option<i64>,
    /// How it left what other tools look at when they end a service.
    pub escaped: Vec<String>,
    /// Namespaces, beside the PID namespace, that are not those of the first process. Being there is no escape.
    pub other_namespaces: Vec<String>,
    /// Born, seconds before now.
    pub age_s: u64,
    /// It was forked by a member, and that one and those above are no longer known: how many, or 0 when nobody knows
    /// that.
    #[cfg_attr(feature = "schema", serde(skip_serializing_if = "Option::is_none"))]
    pub unknown_ancestors: Option<u32>,
    /// Living processes below it that are not shown one by one, where only so many are to be (never in a document).
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub more: u64,
    /// What it forked; forty levels down all descendants, side by side (`creator` names the process that forked each).
    pub children: Vec<Node>,
}

/// Whether a service is held still.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Frozen {
    /// `frozen`, `freezing`, `thawing`; `undone`: the last one was interrupted and everybody was let go.
    pub state: String,
    /// The outer service that it is frozen with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// Since when.
    pub since: String,
    /// Seconds since then.
    pub age_s: u64,
    /// Members that run although it is frozen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awake: Vec<u32>,
    /// Members that may run: they could not be looked at, or sleep in the kernel and are not sure to stop when they wake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<u32>,
    /// SIGCONTs from elsewhere.
    pub wakes: u32,
    /// A member that gets one is stopped again at once (6.13+).
    pub stops_again: bool,
    /// Runs of the hook on signals that the kernel has skipped since then (7.0+): a member that somebody sent SIGCONT
    /// may have run without being counted.
    pub unheard: u32,
    /// SIGHUPs of the kernel to process groups that were orphaned while they were stopped.
    pub hangups: u32,
}

/// `status`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Status {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `status`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "status")))]
    pub kind: &'static str,
    /// The service.
    #[serde(flatten)]
    pub service: Service,
    /// Main process.
    pub main: Option<Process>,
    /// Tier that keeps the set.
    pub tier: &'static str,
    /// Services inside.
    pub contains: Vec<String>,
    /// Its instances, newest first, where rules open them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
    /// Services that rules know and that run as a part of it, because it keeps all that it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stayed: Vec<Stayed>,
    /// A gate is closed for it.
    pub gated: bool,
    /// The killer that stays to end it (`run --kill-on-exit`), when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<u32>,
    /// Held still, or it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Last signal.
    pub last_kill: Option<LastKill>,
    /// As in [`Tree`].
    #[serde(skip)]
    pub more: u64,
    /// Members as they were forked.
    pub tree: Vec<Node>,
}

/// `tree`
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Tree {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `tree`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "tree")))]
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// With `--last`: the signal whose targets these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_kill: Option<LastKill>,
    /// With `--last`: what is not remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Living processes that are not in it, where only so many are to be shown (never in a document).
    #[serde(skip)]
    pub more: u64,
    /// The forest.
    pub tree: Vec<Node>,
}

/// Everything that `-o json` may print.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(untagged)]
pub enum Any {
    /// The main form, `freeze`, `thaw`: one service.
    Receipt(Box<Receipt>),
    /// The same, several services.
    Receipts(Vec<Receipt>),
    /// `stop`
    Stop(Stop),
    /// `stop`, several services.
    Stops(Vec<Stop>),
    /// `list`
    Services(Services),
    /// `status`
    Status(Box<Status>),
    /// `status`, several services.
    Statuses(Vec<Status>),
    /// `tree`
    Tree(Tree),
    /// `tree`, several services.
    Trees(Vec<Tree>),
    /// `why`
    Why(Box<Why>),
    /// A line of `watch`.
    Happened(Box<Happened>),
    /// `verify`
    Verify(Verify),
    /// `verify`, several services.
    Verifies(Vec<Verify>),
    /// A verb without a receipt.
    Done(Done),
    /// A verb without a receipt, several services.
    Dones(Vec<Done>),
    /// `install-boot`
    BootFiles(BootFiles),
    /// `doctor`
    Doctor(Doctor),
    /// `selftest`
    Selftest(Selftest),
    /// `rule list`
    Rules(Rules),
    /// `rule test`
    RuleTest(RuleTest),
    /// `rule check`
    RuleCheck(RuleCheck),
    /// `receipts`
    ReceiptList(ReceiptList),
    /// `receipts ID`, and each line of a receipt in the ledger
    KeptReceipt(Box<KeptReceipt>),
    /// `receipts --verify`
    LedgerCheck(LedgerCheck),
    /// `ledger`
    Ledger(Box<Ledger>),
    /// `ledger`, several services.
    Ledgers(Vec<Ledger>),
    /// `capture`
    Captured(Box<Captured>),
    /// `verify-capture`
    CaptureCheck(CaptureCheck),
    /// `capture --export`
    CaptureExport(CaptureExport),
}
