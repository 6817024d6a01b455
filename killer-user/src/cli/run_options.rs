//! The options of `killer run`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::common::choice;
use super::usage::Wrong;
use crate::ask::span::{self, Span};
use crate::ask::{Command, KEEP, Log, Nest, Replace, Run, Word, name, pidspec};
use crate::ending::{Ending, code_number, codes_of};

/// Below the options.
fn after_help() -> String {
    format!(
        "The first process is a member before CMD's first instruction. In the foreground killer passes every signal that can be \
         caught on to CMD, once, and exits with CMD's status ({} when signal N has ended CMD). {}. When the first process of a \
         daemon has ended, the main process is the one that the pidfile names, or else one that killer guesses, and it says so.",
        code_number(Ending::Interrupted(0)),
        codes_of(&[Ending::NotStarted, Ending::NotExecutable, Ending::NotFound])
    )
}

/// What stands behind `killer run`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "killer run [--name NAME] [OPTIONS] -- CMD...",
    after_help = after_help()
)]
pub struct RunOptions {
    /// Name of the service; without it killer makes one of CMD and a number, and -v prints it
    #[arg(long, value_parser = name::parse_new)]
    name: Option<String>,
    /// If a live service has this name, end it first as 'killer stop' does; with 'rename' give it another name instead
    #[arg(
        long,
        value_parser = choice::<Replace>(),
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "end",
        hide_possible_values = true,
        requires = "name"
    )]
    replace: Option<Replace>,
    /// Return as soon as CMD runs; CMD gets a session of its own and none of the caller's descriptors
    #[arg(long, short)]
    detach: bool,
    /// Append the output of a detached CMD to FILE, or send it to 'syslog'; without this option it is dropped
    #[arg(long, value_name = "FILE|syslog", requires = "detach")]
    log: Option<PathBuf>,
    /// Let a detached CMD keep the caller's descriptors, 0 to 2 included
    #[arg(long, requires = "detach")]
    keep_fds: bool,
    /// End what is left of the service when CMD ends, and also when this killer is ended in any way: by SIGTERM, and after SPAN by
    /// SIGKILL; without SPAN by SIGKILL at once. 'run' returns when files, ports and memory are released
    #[arg(
        long,
        value_name = "SPAN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "0",
        value_parser = span::parse
    )]
    kill_on_exit: Option<Span>,
    /// End the service also when this process ends, in whatever way; --kill-on-exit is implied
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse)]
    owner: Option<(u32, Option<u64>)>,
    /// Become this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Set a variable for CMD
    #[arg(long, value_name = "K=V", value_parser = clap::builder::OsStringValueParser::new())]
    env: Vec<OsString>,
    /// simple, or forking: CMD is a daemon whose first process ends when the daemon has started, and 'run' returns then
    #[arg(
        long = "type",
        value_parser = choice::<Kind>(),
        value_name = "TYPE",
        default_value = "simple",
        hide_possible_values = true
    )]
    kind: Kind,
    /// Write CMD's PID to this file; with --type=forking the daemon writes it there, and killer reads it
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Let 'killer stop' run this command first, by /bin/sh -c, with MAINPID in its environment
    #[arg(long, value_name = "CMD")]
    exec_stop: Option<String>,
    /// Remember this many services that have ended; the ones that ended first are forgotten first
    #[arg(long, value_name = "N", default_value_t = KEEP)]
    keep: usize,
    /// Let services that rules know out of it when they are started in it: for a login or a boot script. Without this option it
    /// keeps all that it starts
    #[arg(long)]
    service: bool,
    /// Start it inside of the service that this command runs in: it ends with that one
    #[arg(long, conflicts_with = "beside")]
    inside: bool,
    /// Start it beside the service that this command runs in; --detach does so anyway, unless that service is a 'run' in the
    /// foreground
    #[arg(long)]
    beside: bool,
    /// Program and arguments
    #[arg(required = true, last = true, value_name = "CMD", num_args = 1..)]
    argv: Vec<OsString>,
}

/// `--type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The first process stays.
    Simple,
    /// It ends when the service has started.
    Forking,
}

impl Word for Kind {
    const ALL: &[(Self, &'static str)] = &[(Self::Simple, "simple"), (Self::Forking, "forking")];
}

impl RunOptions {
    /// True when `run` returns as soon as CMD runs.
    pub fn detaches(&self) -> bool {
        self.detach
    }

    /// What is asked.
    ///
    /// # Errors
    /// A usage error.
    pub fn asked(&self) -> Result<Run, Wrong> {
        let mut env = Vec::new();
        for kv in &self.env {
            let b = kv.as_bytes();
            let Some(at) = b.iter().position(|&c| c == b'=').filter(|&at| at > 0) else {
                let what =
                    format!("bad value '{}' for --env: it needs K=V", kv.to_string_lossy().escape_debug());
                return Err(Wrong::new(what, "for example --env LANG=C"));
            };
            env.push((OsString::from_vec(b[..at].to_vec()), OsString::from_vec(b[at + 1..].to_vec())));
        }
        let forking = self.kind == Kind::Forking;
        let kill_on_exit = self.kill_on_exit.or(self.owner.map(|_| Span::Finite(Duration::ZERO)));
        if forking && kill_on_exit.is_some() {
            return Err(Wrong::new(
                "--kill-on-exit (or --owner) would end a daemon right after its start: with --type=forking CMD's process ends then",
                "leave one of the two out",
            ));
        }
        let made = self.name.is_none();
        let program = self.argv.first().cloned().unwrap_or_default();
        Ok(Run {
            name: self.name.clone().unwrap_or_else(|| name::made(&program, std::process::id())),
            made,
            replace: self.replace,
            kill_on_exit,
            owner: self.owner,
            forking,
            pidfile: self.pidfile.clone(),
            exec_stop: self.exec_stop.clone(),
            keep: self.keep,
            service: self.service,
            nest: match (self.inside, self.beside) {
                (true, _) => Nest::Inside,
                (_, true) => Nest::Beside,
                _ => Nest::Usual,
            },
            command: Command {
                clean: false,
                argv: self.argv.clone(),
                env,
                user: self.user.clone(),
                detach: self.detach,
                keep_fds: self.keep_fds,
                log: self
                    .log
                    .clone()
                    .map(|l| if l.as_os_str() == "syslog" { Log::Syslog } else { Log::File(l) }),
            },
        })
    }
}
