//! The options of `killer stop`.

use clap::Args;

use super::common::choice;
use super::receipt_options::ReceiptOptions;
use super::services::Services;
use super::unstick_options::UnstickOptions;
use super::usage::Wrong;
use crate::ask::fuse::{self, Fuse, Share};
use crate::ask::schedule::{self, Retry, Schedule};
use crate::ask::span::{self, Span};
use crate::ask::wait::{self, Wait};
use crate::ask::{Mode, Stop, signal};
use crate::ending::{Ending, codes_of, with_code};

/// Below the options.
fn after_help() -> String {
    format!(
        "First killer runs the command of 'run --exec-stop', else what the service's init or supervisor stops it with, as a control \
         process: '/etc/init.d/NAME stop', 'rc-service NAME stop', 'sv down DIR', 's6-svc -d DIR'. Only root's files are run, and of \
         an adopted service only what is shown to be about it. Then it sends the signal and SIGCONT, waits, sends \
         SIGKILL, and waits. Several services are stopped one after the other. With --mode=mixed and no main process, the signal goes \
         to all. The stop succeeds when the kernel says that no process is left (with --mode=process: when the main process has \
         ended). {}. Each survivor is named with its reason.",
        codes_of(&[Ending::Survivors])
    )
}

/// What stands behind `killer stop`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "killer stop [OPTIONS] NAME...",
    after_help = after_help()
)]
pub struct StopOptions {
    /// First signal [default: TERM]
    #[arg(short, long, value_name = "SIG", value_parser = signal::parse)]
    signal: Option<i32>,
    /// Wait this long at most each time, for the stop command too; after SIGKILL to all 5s at least
    #[arg(long, value_name = "SPAN", default_value = "90s", value_parser = span::parse)]
    timeout: Span,
    #[arg(
        long,
        value_name = "reaped:SPAN",
        require_equals = true,
        value_parser = wait::parse_reaped,
        help = with_code("Wait also until parents have reaped all of them, so that their numbers are free, for SPAN at most", Ending::Unreaped)
    )]
    wait: Option<Wait>,
    /// Send SIGHUP right after the signal: shells end by it
    #[arg(long)]
    send_sighup: bool,
    /// Which processes get the signals: control-group (all), mixed (the signal for the main process, SIGKILL for all), process (only
    /// the main process)
    #[arg(long, value_parser = choice::<Mode>(), value_name = "MODE", default_value = "control-group", hide_possible_values = true)]
    mode: Mode,
    /// Follow this schedule of signals and waits instead, such as TERM/30/-9/5; N alone is short for --signal, N, KILL, N; 'forever'
    /// repeats what follows it, or everything when it comes last
    #[arg(short = 'R', long, value_name = "SCHEDULE", value_parser = schedule::parse, allow_hyphen_values = true)]
    retry: Option<Retry>,
    #[arg(long, value_name = "N", value_parser = fuse::max, help = with_code("Refuse, and do nothing, when it is for more than N processes", Ending::Failed))]
    max: Option<u64>,
    #[arg(long, value_name = "P%", value_parser = fuse::share, help = with_code("The same for a share of the host's live processes, such as 20%", Ending::Failed))]
    max_share: Option<Share>,
    /// Run neither the command of 'run --exec-stop' nor that of the service's init: begin with the signal
    #[arg(long)]
    no_command: bool,
    /// Tell OpenRC when its own command did not end it ('rc-service NAME zap')
    #[arg(long)]
    zap: bool,
    /// Go on although killer or an ancestor is a member: it leaves first
    #[arg(long)]
    include_self: bool,
    #[command(flatten)]
    unstick: UnstickOptions,
    #[command(flatten)]
    receipts: ReceiptOptions,
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
        let ends_all =
            self.mode != Mode::Process && (self.mode == Mode::Mixed || schedule.has(libc::SIGKILL));
        let unstick = self.unstick.asked(ends_all)?;
        Ok(Stop {
            names: self.names.names(),
            schedule,
            timeout: self.timeout,
            reaped: self.wait.map(|w| w.span),
            sighup: self.send_sighup,
            mode: self.mode,
            command: !self.no_command,
            zap: self.zap,
            unstick,
            include_self: self.include_self,
            fuse: Fuse { max: self.max, share: self.max_share, used: 0 },
            receipts: self.receipts.asked()?,
        })
    }
}
