//! What can be asked, resolved: nothing here knows how it was typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::fuse::Fuse;
use super::name;
use super::receipts::Receipts;
use super::schedule::Schedule;
use super::span::Span;
use super::wait::Wait;
use super::whom::Whom;
use super::word::Word;

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

/// What processes get that are born while a signal is sent to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newborns {
    /// The signal, when their creator had not received it when it forked.
    #[default]
    Signal,
    /// Nothing.
    Ignore,
    /// SIGKILL at birth, while the command runs.
    Kill,
}

impl Word for Newborns {
    const ALL: &[(Self, &'static str)] =
        &[(Self::Signal, "signal"), (Self::Ignore, "ignore"), (Self::Kill, "kill")];
}

/// What lets survivors of SIGKILL end is looked for, and done when somebody says yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstick {
    /// Each step is asked for at the terminal.
    Ask,
    /// The yes was given with the order.
    Yes,
}

/// `killer [-s SIG] NAME…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Which services.
    pub names: Names,
    /// Signal; 0 probes.
    pub signal: i32,
    /// Which processes it is for.
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
    /// OpenRC is told that the service has ended.
    pub zap: bool,
    /// What lets survivors end is done.
    pub unstick: Option<Unstick>,
    /// How many it may be for.
    pub fuse: Fuse,
    /// What is kept of it.
    pub receipts: Receipts,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It is ended, as `killer stop` ends it.
    End,
    /// It lives on under another name.
    Rename,
}

impl Word for Replace {
    const ALL: &[(Self, &'static str)] = &[(Self::End, "end"), (Self::Rename, "rename")];
}

/// What `run` and `exec` start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// `K=V` on top of the caller's environment.
    pub env: Vec<(OsString, OsString)>,
    /// The caller's environment is left out.
    pub clean: bool,
    /// User to become.
    pub user: Option<String>,
    /// In a session of its own, away from the caller's descriptors; `run` returns at once.
    pub detach: bool,
    /// The caller's descriptors stay all the same.
    pub keep_fds: bool,
    /// Where a detached one's output goes.
    pub log: Option<Log>,
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
    /// End the rest when CMD ends, or `killer` does: SIGTERM, and SIGKILL after so long.
    pub kill_on_exit: Option<Span>,
    /// It ends also when this process does: its number, and its pidfs inode where it has to be that very one.
    pub owner: Option<(u32, Option<u64>)>,
    /// CMD is a daemon whose first process ends when it has started.
    pub forking: bool,
    /// Where to write CMD's PID; of a forking one, where it writes its main process's.
    pub pidfile: Option<PathBuf>,
    /// How it is asked to stop.
    pub exec_stop: Option<String>,
    /// So many that have ended stay known.
    pub keep: usize,
    /// Services that rules know are let out of it when they are started in it.
    pub service: bool,
    /// Where it stands.
    pub nest: Nest,
    /// CMD.
    pub command: Command,
}

/// Which processes `stop` signals, as systemd's KillMode= has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of them.
    #[default]
    ControlGroup,
    /// The signal to the main process, SIGKILL to all.
    Mixed,
    /// Only the main process.
    Process,
}

impl Word for Mode {
    const ALL: &[(Self, &'static str)] =
        &[(Self::ControlGroup, "control-group"), (Self::Mixed, "mixed"), (Self::Process, "process")];
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
    /// Which processes.
    pub mode: Mode,
    /// The stop command is run first, or the official way is gone.
    pub command: bool,
    /// OpenRC is told when the service has ended in another way than its own.
    pub zap: bool,
    /// What lets survivors of its SIGKILL end is done.
    pub unstick: Option<Unstick>,
    /// Sets with the caller or its ancestors are meant.
    pub include_self: bool,
    /// How many processes it may be for.
    pub fuse: Fuse,
    /// What is kept of it.
    pub receipts: Receipts,
}

impl Stop {
    /// As `killer stop` does it without an option: TERM, and KILL when that has not ended it in time.
    pub fn usual(name: &str, patience: Span) -> Self {
        Self {
            names: Names::one(name),
            schedule: Schedule::usual(libc::SIGTERM, patience),
            timeout: patience,
            reaped: None,
            sighup: false,
            mode: Mode::ControlGroup,
            command: true,
            zap: false,
            unstick: None,
            include_self: false,
            fuse: Fuse::default(),
            receipts: Receipts::default(),
        }
    }
}

/// How `adopt` is told the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// `--pid PID[:INODE]`
    Pid(u32, Option<u64>),
    /// `--pidfile F`
    Pidfile(PathBuf),
    /// `--of PID[:INODE]`: who descends from a process that may have ended, by the recorder.
    Of(u32, Option<u64>),
    /// `--of PROGRAM`: the same of the one that has executed it.
    Executed(PathBuf),
}

/// Where `adopt` takes a process to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeIn {
    /// Into a service of its own.
    New,
    /// The same, out of the service that it is a member of (`--move`).
    Moved,
    /// Into one that is there (`--also`).
    There,
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

impl Until {
    /// The one that a word stands for.
    ///
    /// # Errors
    /// In words, when it stands for none.
    pub fn read(text: &str) -> Result<Self, String> {
        match text {
            "empty" => Ok(Self::Empty),
            "main-gone" => Ok(Self::MainGone),
            t => t
                .strip_prefix("size<=")
                .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|n| n.parse().ok())
                .map(Self::Size)
                .ok_or_else(|| format!("bad condition '{}'", t.escape_debug())),
        }
    }
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
