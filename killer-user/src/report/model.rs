//! Models: plain data, versioned, with a JSON schema. Times are RFC 3339, spans microseconds, starts nanoseconds of
//! CLOCK_BOOTTIME.

use schemars::JsonSchema;
use serde::Serialize;

/// Version of every model here.
pub const SCHEMA_VERSION: u32 = 1;

/// A reason why a set may not be exact.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Exactness {
    /// True: no way to be wrong was noticed.
    pub exact: bool,
    /// Every reason to doubt.
    pub reasons: Vec<Reason>,
}

/// Processes and tasks are counted apart: a process has one or more tasks (threads).
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Counts {
    /// Thread groups in the index.
    pub processes: u64,
    /// Tasks by the kernel's own count.
    pub tasks: i64,
}

/// What identifies a process.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
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
    /// It is a control process.
    pub control: bool,
    /// It was taken in by an adoption.
    pub adopted: bool,
    /// Innermost service that it belongs to.
    pub service: String,
    /// Command line, where it was asked for and could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Process that forked it.
    pub creator: u32,
}

/// What became of a process.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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

/// Who is still there, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Survivor {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// Short code of the reason.
    pub code: String,
    /// The reason in words.
    pub text: String,
}

/// Who asked.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Caller {
    /// Real uid.
    pub uid: u32,
    /// This killer.
    pub pid: u32,
}

/// Times of one order.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Times {
    /// When it began.
    pub started: String,
    /// µs until the last signal was sent.
    pub signalled_us: u64,
    /// µs until the engine was done.
    pub ended_us: u64,
    /// µs until everything was released, when that was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_us: Option<u64>,
}

/// What one order to one service did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Receipt {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `receipt`.
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
    /// Whom it was for.
    pub whom: String,
    /// Nothing was signalled, only looked up.
    pub dry_run: bool,
    /// Who asked.
    pub asked_by: Caller,
    /// `done`, `nothing`, `partial`, `survivors`, `dry-run`, `interrupted`, `failed`; of freeze and thaw `frozen`, `running`,
    /// `thawed`; `doubtful`: what was known of went well, but the tracker cannot vouch for the rest.
    pub outcome: String,
    /// Exit code that this outcome means.
    pub exit_code: u8,
    /// Tier that kept the set.
    pub tier: &'static str,
    /// Gates that were closed.
    pub gates: Vec<&'static str>,
    /// How sure the set is.
    pub exactness: Exactness,
    /// Main process at the beginning.
    pub main_pid: Option<u32>,
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
    /// Every process that the signal was for.
    pub targets: Vec<Signalled>,
    /// Who is still there.
    pub survivors: Vec<Survivor>,
    /// Times.
    pub times: Times,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// The stop command of a service.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StopCommand {
    /// As it was given.
    pub command: String,
    /// Its status; absent when it did not end in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// Why it could not be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `stop`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Stop {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `stop`.
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// `control-group`, `mixed`, `process`.
    pub mode: &'static str,
    /// `stopped`, `nothing`, `survivors`, `interrupted`.
    pub outcome: &'static str,
    /// Exit code that this outcome means.
    pub exit_code: u8,
    /// Its stop command, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<StopCommand>,
    /// Every signal that was sent.
    pub steps: Vec<Receipt>,
    /// The kernel says that the service is empty.
    pub empty: bool,
    /// Everything has let go of files, ports and memory.
    pub released: bool,
    /// Who is still there.
    pub survivors: Vec<Survivor>,
    /// µs from the beginning to the end.
    pub took_us: u64,
    /// How sure the set is.
    pub exactness: Exactness,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// One line of `list`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Service {
    /// Name.
    pub name: String,
    /// `starting`, `live`, `frozen`, `ended`.
    pub state: String,
    /// Main process.
    pub main_pid: Option<u32>,
    /// Now.
    pub counts: Counts,
    /// Processes ever.
    pub ever: u64,
    /// Since when.
    pub since: String,
    /// Seconds since then.
    pub age_s: u64,
    /// How sure.
    pub exactness: Exactness,
    /// Outer service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
}

/// `list`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Services {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `list`.
    pub kind: &'static str,
    /// Every tracked service.
    pub services: Vec<Service>,
}

/// The last signal that was sent by name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LastKill {
    /// Signal name.
    pub signal: String,
    /// Who asked.
    pub uid: u32,
    /// When.
    pub at: String,
    /// Seconds ago.
    pub age_s: u64,
    /// Exit code of that call.
    pub exit_code: u32,
}

/// A node of a tree. [`super::nest`] serializes and drops it: a lineage can be ten thousand deep.
#[derive(Clone, Debug, JsonSchema)]
pub struct Node {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// False: it has ended.
    pub alive: bool,
    /// Its tasks, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<i64>,
    /// How it left what other tools look at.
    pub escaped: Vec<String>,
    /// Born, seconds before now.
    pub age_s: u64,
    /// What it forked; forty levels down all descendants, side by side (`creator` says who forked each).
    pub children: Vec<Node>,
}

/// Whether a service is held still.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
    /// SIGCONTs from elsewhere; who got one was stopped again.
    pub wakes: u32,
    /// SIGHUPs of the kernel to process groups that were orphaned while they were stopped.
    pub hangups: u32,
}

/// `status`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Status {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `status`.
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
    /// A gate is closed for it.
    pub gated: bool,
    /// The killer that stays to end it (`run --kill-on-exit`), when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<u32>,
    /// Held still, or it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Last signal.
    pub last_kill: Option<LastKill>,
    /// Members as they were forked.
    pub tree: Vec<Node>,
}

/// `tree`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tree {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `tree`.
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// The forest.
    pub tree: Vec<Node>,
}

/// What one other way of finding the members would have found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OtherWay {
    /// What it is called.
    pub way: String,
    /// Who looks like that.
    pub used_by: String,
    /// Members that it finds.
    pub found: usize,
    /// Members that it misses.
    pub missed: Vec<Process>,
    /// Processes that are no members and that it would hit.
    pub strangers: Vec<Process>,
    /// Why it could not be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// `verify`
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Verify {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `verify`.
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// Members now.
    pub members: Vec<Process>,
    /// Members by the kernel's count, and in the index.
    pub counts: Counts,
    /// Every other way.
    pub ways: Vec<OtherWay>,
    /// How sure the members are.
    pub exactness: Exactness,
    /// Index entries without a process, or processes whose entry says otherwise; empty when all agree.
    pub disagreements: Vec<String>,
}

/// One line of `doctor`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Doctor {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `doctor`.
    pub kind: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Tier in use, or that would be.
    pub tier: String,
    /// What it guarantees, in words.
    pub guarantees: Vec<String>,
    /// Why not a better one.
    pub why_not_better: String,
    /// sha256 of the embedded eBPF object.
    pub object_sha256: String,
    /// Checks.
    pub checks: Vec<Check>,
}

/// One trial of `selftest`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
    /// Codes of reasons to doubt that were counted.
    pub doubts: Vec<String>,
}

/// `selftest`
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Selftest {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// Always `selftest`.
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

/// Everything that `-o json` may print.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Any {
    /// The main form, one service.
    Receipt(Receipt),
    /// The main form, several services.
    Receipts(Vec<Receipt>),
    /// `stop`
    Stop(Stop),
    /// `list`
    Services(Services),
    /// `status`
    Status(Status),
    /// `tree`
    Tree(Tree),
    /// `verify`
    Verify(Verify),
    /// `doctor`
    Doctor(Doctor),
    /// `selftest`
    Selftest(Selftest),
}
