//! `killer [-s SIG | -SIG] [--whom=WHOM] … NAME…`

use clap::Parser;

use super::common::{Look, choice};
use super::receipt_options::ReceiptOptions;
use super::unstick_options::UnstickOptions;
use super::usage::Wrong;
use crate::ask::fuse::{self, Fuse, Share};
use crate::ask::wait::{self, Wait};
use crate::ask::whom::Whom;
use crate::ask::{Kill, Names, Newborns, name, signal, value, whom};
use crate::ending::{Ending, with_code};

/// End a service completely: signal every process that it ever forked, and nobody else.
#[derive(Debug, Parser)]
#[command(
    name = "killer",
    version,
    max_term_width = 100,
    override_usage = "killer [-s SIG | -SIG] [OPTIONS] NAME...\n       killer VERB [OPTIONS] ..."
)]
pub struct MainForm {
    /// Signal: name in any case, number, RTMIN+n, RTMAX-n, 0 to probe; 'help' prints the names, 'list' a table
    #[arg(
        short,
        long,
        value_name = "SIG",
        default_value = "TERM",
        allow_hyphen_values = true,
        overrides_with = "signal"
    )]
    pub signal: String,
    /// Which processes: all, main, control (each with -fail), leaves, orphans, escaped (left the session, process group,
    /// cgroup or PID namespace), leftover (of an older instance, or of one whose main process has ended), uid:USER, exe:GLOB, born:<SPAN, depth:N, subtree:PID; '!' takes all others, a comma takes
    /// those that both words pick
    #[arg(long, visible_alias = "who", aliases = ["kill-who", "kill-whom"], default_value = "all", value_parser = whom::parse, overrides_with = "whom")]
    pub whom: Whom,
    /// Value for a real-time signal, sent as sigqueue(3) does to every process that --whom picks (systemd: only to main and control)
    #[arg(long, alias = "kill-value", value_name = "INT", value_parser = value::parse, allow_hyphen_values = true)]
    pub value: Option<i32>,
    /// Wait until the kernel says that the service is empty and its files, ports and memory are released, for SPAN at most; with
    /// 'reaped[:SPAN]' wait also until parents have reaped its processes, so that their numbers are free
    #[arg(long, value_name = "SPAN", num_args = 0..=1, require_equals = true, default_missing_value = "infinity", value_parser = wait::parse)]
    pub wait: Option<Wait>,
    #[arg(long, value_name = "N", value_parser = fuse::max, help = with_code("Refuse, and signal nobody, when it is for more than N processes", Ending::Failed))]
    pub max: Option<u64>,
    #[arg(long, value_name = "P%", value_parser = fuse::share, help = with_code("The same for a share of the host's live processes, such as 20%", Ending::Failed))]
    pub max_share: Option<Share>,
    #[arg(long, help = with_code("Fail when nothing matched", Ending::Nobody))]
    pub fail: bool,
    /// Print exactly what would be signalled, and signal nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[arg(long, help = with_code("Refuse unless the set is provably exact", Ending::NotExact))]
    pub require_exact: bool,
    /// Go on although killer or an ancestor is in the set: it leaves that first
    #[arg(long)]
    pub include_self: bool,
    /// Tell OpenRC, once it is empty, that it has ended ('rc-service NAME zap')
    #[arg(long)]
    pub zap: bool,
    /// What those get that are born during a signal to all: signal (once, if the creator had not got it), ignore, kill (SIGKILL)
    #[arg(long, value_parser = choice::<Newborns>(), value_name = "WHAT", default_value = "signal", hide_possible_values = true)]
    pub newborns: Newborns,
    #[arg(
        long,
        help = with_code("Skip names that no service has, instead of doing nothing", Ending::Unknown)
    )]
    pub keep_going: bool,
    #[command(flatten)]
    pub unstick: UnstickOptions,
    #[command(flatten)]
    pub receipts: ReceiptOptions,
    /// Print the names of signals; with words after it, what each word stands for
    #[arg(short = 'l', long)]
    pub list: bool,
    /// Print a table of signals; with words after it, their rows only
    #[arg(short = 'L', long)]
    pub table: bool,
    #[command(flatten)]
    pub look: Look,
    /// Names of services, or globs (cron*); a '.service' at the end is dropped
    #[arg(value_name = "NAME", value_parser = name::parse)]
    pub names: Vec<String>,
}

/// What the main form came to.
pub enum Form {
    /// A kill.
    Kill(Kill),
    /// Something to print.
    Print(String),
    /// A usage error.
    Usage(Wrong),
}

/// `-l WORD…`: one answer a line.
fn told(words: &[String], table: bool) -> Form {
    let row = |w: &String| {
        let one = signal::told(w)?;
        if !table {
            return Ok(one);
        }
        let n = signal::parse(w).or_else(|_| signal::parse(&one))?;
        Ok(format!("{n:>2} {}", signal::name(n)))
    };
    match words.iter().map(row).collect::<Result<Vec<String>, String>>() {
        Ok(lines) => Form::Print(lines.join("\n") + "\n"),
        Err(e) => Form::Usage(Wrong::new(e, format!("one of: {}", signal::words()))),
    }
}

impl MainForm {
    /// Checks what clap cannot.
    pub fn resolve(self) -> Form {
        if (self.list || self.table) && !self.names.is_empty() {
            return told(&self.names, self.table);
        }
        // systemctl: `help` prints the names, `list` the table.
        if self.list || self.signal == "help" {
            return Form::Print(signal::list());
        }
        if self.table || self.signal == "list" {
            return Form::Print(signal::table());
        }
        let number = match signal::parse(&self.signal) {
            Ok(n) => n,
            Err(e) => return Form::Usage(Wrong::new(e, format!("one of: {}", signal::words()))),
        };
        if let Some(verb) = self.look.output.only_for() {
            return Form::Usage(Wrong::format(verb));
        }
        if self.value.is_some() && !(signal::RTMIN..=signal::RTMAX).contains(&number) {
            return Form::Usage(Wrong::new(
                format!("{}, refusing for signal {}.", value::NOT_REAL_TIME, signal::name(number)),
                "use -s RTMIN+n with --value",
            ));
        }
        if self.names.is_empty() {
            return Form::Usage(Wrong::no_service());
        }
        let receipts = match self.receipts.asked() {
            Ok(r) => r,
            Err(wrong) => return Form::Usage(wrong),
        };
        let unstick = match self
            .unstick
            .asked(number == libc::SIGKILL && self.whom.sets.iter().all(|p| *p == whom::Pick::All))
        {
            Ok(u) => u,
            Err(wrong) => return Form::Usage(wrong),
        };
        let mut whom = self.whom;
        whom.fail |= self.fail;
        Form::Kill(Kill {
            names: Names { words: self.names, keep_going: self.keep_going },
            signal: number,
            whom,
            value: self.value,
            wait: self.wait,
            patience: None,
            dry_run: self.dry_run,
            require_exact: self.require_exact,
            include_self: self.include_self,
            newborns: self.newborns,
            zap: self.zap,
            unstick,
            fuse: Fuse { max: self.max, share: self.max_share, used: 0 },
            receipts,
        })
    }
}
