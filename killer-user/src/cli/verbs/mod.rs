//! The verbs: clap's view of them, and what they resolve to. A verb with arguments of its own has a file.

mod adopt;
mod down;
mod exec;
mod forget;
mod generate;
mod rename;
mod run;
mod selftest;
mod serve;
mod set_main;
mod stop;
mod tree;
mod up;
mod wait;

use clap::{Args, Parser, Subcommand};

use super::main_form::Look;
use super::request::{Action, Names};
use crate::parse::name;

/// `killer VERB …`
#[derive(Debug, Parser)]
#[command(name = "killer", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct VerbForm {
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start CMD as the root of a tracked service
    Run(run::RunArgs),
    /// Run CMD as a control process of a tracked service
    Exec(exec::ExecArgs),
    /// Take a running process and its present descendants in
    Adopt(adopt::AdoptArgs),
    /// End services as systemd does: its stop command, SIGTERM, wait, SIGKILL; verified empty
    Stop(stop::StopArgs),
    /// Hold every process of services still, until 'thaw'
    Freeze(Named),
    /// Let frozen services go on
    Thaw(Named),
    /// Show every tracked service
    List(Plain),
    /// Show services: main process, members, exactness, last kill
    Status(Exactly),
    /// Show the lineage as it was forked, with dead ancestors
    Tree(tree::TreeArgs),
    /// Wait on kernel events until services are empty, have lost their main process, or are small
    Wait(wait::WaitArgs),
    /// Show what other ways of finding the members would have missed
    Verify(Exactly),
    /// Make a member the main process
    SetMain(set_main::SetMainArgs),
    /// Forget services that have ended
    Forget(forget::ForgetArgs),
    /// Rename a service
    Rename(rename::RenameArgs),
    /// Load and pin the tracker
    Up(up::UpArgs),
    /// Detach the tracker; refused while services are tracked
    Down(down::DownArgs),
    /// Hold the programs where they cannot be pinned; ends with SIGTERM
    Serve(serve::ServeArgs),
    /// Show what this kernel can do and what is guaranteed
    Doctor(Plain),
    /// Run every known way of escaping on this kernel, with a tracker of its own
    Selftest(selftest::SelftestArgs),
    /// Make a man page, completions or the JSON schema
    Generate(generate::GenerateArgs),
}

/// Verbs that are to come, and what many commands have. In the place of a verb they are refused: taken as names,
/// `killer watch cron` would send SIGTERM to cron.
pub const RESERVED: [&str; 3] = ["why", "watch", "help"];

/// Names of the verbs.
pub const VERBS: [&str; 20] = [
    "stop", "freeze", "thaw", "run", "exec", "adopt", "list", "status", "tree", "wait", "verify", "set-main",
    "forget", "rename", "up", "down", "serve", "doctor", "selftest", "generate",
];

/// No arguments.
#[derive(Debug, Args)]
pub struct Plain {
    #[command(flatten)]
    look: Look,
}

/// Services, by name.
#[derive(Debug, Args)]
pub struct Services {
    /// Service names; globs (cron*)
    #[arg(value_name = "NAME", required = true, value_parser = name::parse)]
    words: Vec<String>,
    /// Go on past names that nobody has (exit 4 at the end)
    #[arg(long)]
    keep_going: bool,
}

impl From<Services> for Names {
    fn from(s: Services) -> Self {
        Self { words: s.words, keep_going: s.keep_going }
    }
}

/// A verb for services.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    names: Services,
}

/// A verb for services whose sets may have to be exact.
#[derive(Debug, Args)]
pub struct Exactly {
    #[command(flatten)]
    look: Look,
    /// Exit 5 unless the set is provably exact
    #[arg(long)]
    require_exact: bool,
    #[command(flatten)]
    names: Services,
}

impl Verb {
    /// Checks what clap cannot. The error is a usage error: what, next step.
    pub fn resolve(self) -> Result<(Action, Look), (String, String)> {
        Ok(match self {
            Self::Run(a) => a.resolve()?,
            Self::Exec(a) => a.resolve(),
            Self::Adopt(a) => a.resolve()?,
            Self::Stop(a) => a.resolve()?,
            Self::Freeze(a) => (Action::Freeze(a.names.into()), a.look),
            Self::Thaw(a) => (Action::Thaw(a.names.into()), a.look),
            Self::List(a) => (Action::List, a.look),
            Self::Status(a) => (Action::Status(a.names.into(), a.require_exact), a.look),
            Self::Tree(a) => a.resolve(),
            Self::Wait(a) => a.resolve(),
            Self::Verify(a) => (Action::Verify(a.names.into(), a.require_exact), a.look),
            Self::SetMain(a) => a.resolve(),
            Self::Forget(a) => a.resolve(),
            Self::Rename(a) => a.resolve(),
            Self::Up(a) => a.resolve(),
            Self::Down(a) => a.resolve(),
            Self::Serve(a) => a.resolve(),
            Self::Doctor(a) => (Action::Doctor, a.look),
            Self::Selftest(a) => a.resolve(),
            Self::Generate(a) => a.resolve(),
        })
    }
}
