//! What was asked, resolved and free of clap.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::ending::Ending;
use crate::kill::Newborns;
use crate::parse::name;
use crate::parse::schedule::Schedule;
use crate::parse::span::Span;
use crate::parse::wait::Wait;
use crate::parse::whom::Whom;

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Short,
    /// One line of JSON.
    Json,
    /// JSON, indented.
    JsonPretty,
    /// Graphviz (tree).
    Dot,
    /// Mermaid (tree).
    Mermaid,
    /// The kernel's Test Anything Protocol (selftest).
    Ktap,
}

impl Output {
    /// The verb that this format is for, when it is for one only.
    pub fn only_for(self) -> Option<&'static str> {
        match self {
            Self::Short | Self::Json | Self::JsonPretty => None,
            Self::Dot | Self::Mermaid => Some("tree"),
            Self::Ktap => Some("selftest"),
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every request has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Format of stdout.
    pub output: Output,
    /// `-v` counted; `-vvv` reads the programs' log.
    pub verbose: u8,
    /// Print nothing.
    pub quiet: bool,
    /// Colour.
    pub color: Color,
}

/// Which services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Names and globs.
    pub words: Vec<String>,
    /// Go on past a word that nobody has.
    pub keep_going: bool,
}

impl Names {
    /// One service by its name.
    pub fn one(name: &str) -> Self {
        Self { words: vec![name.to_owned()], keep_going: false }
    }

    /// False: one literal name.
    pub fn several(&self) -> bool {
        self.words.len() != 1 || self.words.iter().any(|w| name::is_glob(w))
    }
}

/// `killer [-s SIG] NAME…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Which services.
    pub names: Names,
    /// Signal; 0 probes.
    pub signal: i32,
    /// Whom it is for.
    pub whom: Whom,
    /// Value of a real-time signal.
    pub value: Option<i32>,
    /// Wait until released, or reaped.
    pub wait: Option<Wait>,
    /// How long SIGKILL to all goes on before survivors are named, where that is no matter of `wait`.
    pub patience: Option<Duration>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Refuse unless exact.
    pub require_exact: bool,
    /// What processes get that are born meanwhile.
    pub newborns: Newborns,
    /// Sets with the caller or its ancestors are meant.
    pub include_self: bool,
}

/// So many services that have ended stay known, where nobody says otherwise: half of the places.
pub const KEEP: usize = 512;

/// Where the output of a detached CMD goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// To the end of this file.
    File(PathBuf),
    /// To the system's log, a line each.
    Syslog,
}

/// Where what is started from within a service stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nest {
    /// Inside of it, but for what is started in the background from a service that nobody waits for: that is beside it.
    #[default]
    Usual,
    /// Inside of it.
    Inside,
    /// Next to it.
    Beside,
}

/// What becomes of a live service that has the name of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Replace {
    /// It is ended, as `killer stop` ends it.
    End,
    /// It lives on under another name.
    Rename,
}

/// `killer run`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Service name.
    pub name: String,
    /// Nobody has given it.
    pub made: bool,
    /// What becomes of a live service of that name; `None`: the start is refused.
    pub replace: Option<Replace>,
    /// Return at once.
    pub detach: bool,
    /// Leave a detached CMD the caller's descriptors.
    pub keep_fds: bool,
    /// Where its output goes.
    pub log: Option<Log>,
    /// End the rest when CMD ends, or `killer` does: SIGTERM, and SIGKILL after so long.
    pub kill_on_exit: Option<Span>,
    /// User to become.
    pub user: Option<String>,
    /// `K=V`.
    pub env: Vec<(OsString, OsString)>,
    /// CMD is a daemon whose first process ends when it has started.
    pub forking: bool,
    /// Where to write CMD's PID; of a forking one, where it writes its main process's.
    pub pidfile: Option<PathBuf>,
    /// How it is asked to stop.
    pub exec_stop: Option<String>,
    /// So many that have ended stay known.
    pub keep: usize,
    /// Where it stands.
    pub nest: Nest,
    /// Program and arguments.
    pub argv: Vec<OsString>,
}

/// Which processes `stop` signals, as systemd's KillMode= has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// All of them.
    #[default]
    ControlGroup,
    /// The signal to the main process, SIGKILL to all.
    Mixed,
    /// Only the main process.
    Process,
}

/// `killer stop`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which services.
    pub names: Names,
    /// Signals and waits, in their order.
    pub schedule: Schedule,
    /// For the stop command.
    pub timeout: Span,
    /// Wait until reaped, so long.
    pub reaped: Option<Span>,
    /// SIGHUP after each signal but KILL.
    pub sighup: bool,
    /// Whom.
    pub mode: Mode,
    /// Sets with the caller or its ancestors are meant.
    pub include_self: bool,
}

/// How `adopt` is told the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// `--pid PID[:INODE]`
    Pid(u32, Option<u64>),
    /// `--pidfile F`
    Pidfile(PathBuf),
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// No live process.
    Empty,
    /// The main process has ended.
    MainGone,
    /// At most so many processes.
    Size(usize),
}

/// What `generate` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generate {
    /// A man page.
    Man,
    /// Completions for a shell.
    Completions(clap_complete::Shell),
    /// The JSON schema of receipts.
    Schema,
}

/// `killer selftest`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selftest {
    /// Each trial once and small.
    pub quick: bool,
    /// Parts of names of trials; none: all.
    pub only: Vec<String>,
    /// Rounds of each.
    pub rounds: Option<u32>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The main form.
    Kill(Kill),
    /// `run`
    Run(Run),
    /// `exec`: name, program and arguments.
    Exec(String, Vec<OsString>),
    /// `adopt`
    Adopt(String, Whose),
    /// `stop`
    Stop(Stop),
    /// `freeze`
    Freeze(Names),
    /// `thaw`
    Thaw(Names),
    /// `list`
    List,
    /// `status`, and whether exactness is required.
    Status(Names, bool),
    /// `tree`, and whether it is of whom the last signal was for.
    Tree(Names, bool),
    /// `wait`
    Wait(Names, Until, Option<Span>),
    /// `verify`, and whether exactness is required.
    Verify(Names, bool),
    /// `set-main`
    SetMain(String, u32),
    /// `forget`
    Forget(Names),
    /// `forget --ended`
    ForgetEnded,
    /// `forget --live`
    GiveUp(Names),
    /// `rename`
    Rename(String, String),
    /// `up`, with a second witness?
    Up(bool),
    /// `down`, by force?
    Down(bool),
    /// `serve`, in a session of its own?
    Serve(bool),
    /// `doctor`
    Doctor,
    /// `selftest`
    Selftest(Selftest),
    /// `generate`
    Generate(Generate),
}

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// How to show it.
    pub common: Common,
}

/// The end of a call that needs no kernel: help, version, lists, usage errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// How it ends.
    pub ending: Ending,
    /// For stdout.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
}
