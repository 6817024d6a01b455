//! The options of `killer stop`.

use clap::Args;

use super::common::choice;
use super::services::Services;
use super::usage::Wrong;
use crate::ask::schedule::{self, Retry, Schedule};
use crate::ask::span::{self, Span};
use crate::ask::wait::{self, Wait};
use crate::ask::{Mode, Stop, signal};

/// What stands behind `killer stop`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "killer stop [OPTIONS] NAME...",
    after_help = "First the command of 'run --exec-stop', as a control process; then the signal with SIGCONT, a wait, SIGKILL, a \
                  wait; several services one after the other. A mixed one without a main process is for all. Exit status: 0 the kernel says \
                  that nobody is left (with --mode=process: the main process has ended), 124 survivors, each with its reason."
)]
pub struct StopOptions {
    /// First signal [default: TERM]
    #[arg(short, long, value_name = "SIG", value_parser = signal::parse)]
    signal: Option<i32>,
    /// How long each wait takes at most, the one for the stop command too; SIGKILL to all has 5s at least
    #[arg(long, value_name = "SPAN", default_value = "90s", value_parser = span::parse)]
    timeout: Span,
    /// Return when the parents of all have reaped them, too, and their numbers are free; 124 after SPAN
    #[arg(long, value_name = "reaped:SPAN", require_equals = true, value_parser = wait::parse_reaped)]
    wait: Option<Wait>,
    /// SIGHUP right after the signal: shells end by it
    #[arg(long)]
    send_sighup: bool,
    /// control-group (all), mixed (the signal to the main process, SIGKILL to all), process (only the main process)
    #[arg(long, value_parser = choice::<Mode>(), value_name = "MODE", default_value = "control-group", hide_possible_values = true)]
    mode: Mode,
    /// Signals and waits instead: TERM/30/-9/5; N is --signal, N, KILL, N; what follows 'forever' is repeated, at the end all
    #[arg(short = 'R', long, value_name = "SCHEDULE", value_parser = schedule::parse, allow_hyphen_values = true)]
    retry: Option<Retry>,
    /// Go on although the service holds this killer or its ancestors: leave it first
    #[arg(long)]
    include_self: bool,
    #[command(flatten)]
    names: Services,
}

impl StopOptions {
    /// What is asked.
    ///
    /// # Errors
    /// A usage error.
    pub fn asked(&self) -> Result<Stop, Wrong> {
        if self.signal == Some(0) {
            return Err(Wrong::new("signal 0 stops nobody", "for example --signal TERM"));
        }
        let first = self.signal.unwrap_or(libc::SIGTERM);
        let schedule = match self.retry.clone() {
            None => Schedule::usual(first, self.timeout),
            Some(Retry::Wait(span)) => Schedule::usual(first, span),
            Some(Retry::Steps(s)) if self.signal.is_some_and(|sig| !s.begins_with(sig)) => {
                let what =
                    format!("--retry begins with another signal than --signal={}", signal::name(first));
                return Err(Wrong::new(what, "leave --signal out, or let the schedule begin with it"));
            }
            Some(Retry::Steps(s)) => s,
        };
        Ok(Stop {
            names: self.names.names(),
            schedule,
            timeout: self.timeout,
            reaped: self.wait.map(|w| w.span),
            sighup: self.send_sighup,
            mode: self.mode,
            include_self: self.include_self,
        })
    }
}
