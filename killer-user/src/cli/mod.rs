//! Arguments → [`Request`], by clap. It knows neither the kernel nor the engine; which verbs there are it is told ([`Entry`]).

mod adopt_options;
mod capture_options;
pub mod common;
pub mod completions;
mod entry;
pub mod foreign;
pub mod generate;
mod main_form;
mod options;
pub mod plain;
mod receipt_options;
mod receipts_options;
mod rule_options;
mod run_options;
mod services;
mod stop_options;
mod top_options;
mod unstick_options;
pub mod usage;
mod watch_options;
mod words;

use std::ffi::OsString;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

pub use adopt_options::AdoptOptions;
pub use capture_options::{CaptureOptions, Captures};
pub use common::{Color, Common, Look, Output, choice};
#[cfg(test)]
pub use entry::RESERVED;
pub use entry::{Asked, Entry, names};
#[cfg(test)]
pub use options::{OPTIONS, Row};
pub use receipts_options::ReceiptsOptions;
pub use rule_options::RuleOptions;
pub use run_options::RunOptions;
pub use services::{Exactly, Services};
pub use stop_options::StopOptions;
pub use top_options::TopOptions;
pub use usage::{Exit, Wrong};
pub use watch_options::WatchOptions;

use crate::ask::Kill;
use crate::ending;
use main_form::{Form, MainForm};
use usage::usage;

/// What a command line asks for.
#[derive(Debug)]
pub enum What<A> {
    /// The main form.
    Kill(Box<Kill>),
    /// A verb.
    Verb(A),
}

/// A parsed command line.
#[derive(Debug)]
pub struct Request<A> {
    /// What to do.
    pub what: What<A>,
    /// How to show it.
    pub common: Common,
}

const EXAMPLES: &str = "  killer run --name web --detach -- /usr/sbin/apache2ctl start
  killer -s HUP --whom=main web
  killer -s KILL --who=all --wait web";

/// The main form, with what stands below its options.
fn main_command<A>(verbs: &[Entry<A>]) -> Command {
    let call = |v: &Entry<A>| format!("{} {}", v.name, v.usage);
    let row = |v: &Entry<A>| format!("  {:<27} {}\n", call(v).trim_end(), v.about);
    let rows: String = verbs.iter().map(row).collect();
    MainForm::command().after_help(format!(
        "Verbs:\n{rows}  'killer VERB --help' says more; 'killer -- status' signals a service called 'status'\n\n\
         Examples:\n{EXAMPLES}\n\n{}",
        ending::codes_short()
    ))
}

/// The verbs below one command.
fn verb_command<A>(verbs: &[Entry<A>]) -> Command {
    Command::new("killer")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(100)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommands(verbs.iter().map(Entry::command))
}

/// Parses a command line, program name first.
pub fn parse<A: Asked>(
    args: impl Iterator<Item = OsString>,
    verbs: &'static [Entry<A>],
) -> Result<Request<A>, Exit> {
    let args: Vec<OsString> = args.skip(1).collect();
    if let Some(exit) = plain::version(&args) {
        return Err(exit);
    }
    match plain::read(&args, verbs) {
        Some(form) => settle(form),
        None => by_clap(args, verbs),
    }
}

/// Parses what stands behind the program's name, whatever it is.
///
/// # Errors
/// What is to be printed instead: help, or what is wrong.
pub fn by_clap<A: Asked>(mut args: Vec<OsString>, verbs: &'static [Entry<A>]) -> Result<Request<A>, Exit> {
    if args.is_empty() {
        return Err(Wrong::no_service().into());
    }
    match words::verb_at(&args, &names(verbs)) {
        Some(at) => {
            // `killer -o json list` is `killer list -o json`.
            let verb = args.remove(at);
            args.insert(0, verb.clone());
            verb_form(&verb.to_string_lossy(), args, at > 0, verbs)
        }
        None => main_form(args, verbs),
    }
}

/// Matches as C programs do: of an option given twice the last one counts.
fn matches(form: Command, args: impl Iterator<Item = OsString>) -> Result<ArgMatches, clap::Error> {
    let all = std::iter::once(OsString::from("killer")).chain(args);
    form.args_override_self(true).try_get_matches_from(all)
}

fn main_form<A: Asked>(args: Vec<OsString>, verbs: &[Entry<A>]) -> Result<Request<A>, Exit> {
    if let Some(v) = words::queued(&args) {
        return Err(usage(
            "-q is 'quiet' here, and takes no value; nothing was signalled",
            &format!("a value goes with --value: killer -s RTMIN --value={} NAME", v.escape_debug()),
        ));
    }
    let args = words::lists_apart(args);
    let first = words::first(&args);
    let found = matches(main_command(verbs), words::shorthands(args));
    let form = found.and_then(|m| MainForm::from_arg_matches(&m)).map_err(|e| {
        let exit = usage::from_clap(&e, None, false);
        // `killer rnu --name web -- CMD`: the options are the verb's.
        let meant = first.as_deref().and_then(|w| foreign::meant(verbs, w, &[]));
        match meant.filter(|_| !exit.ending.is_good()) {
            Some(verb) => {
                usage(usage::what(&exit), &format!("'{verb}' is probably meant; see '{verb} --help'"))
            }
            None => exit,
        }
    })?;
    settle(form)
}

/// The main form, once it is read.
fn settle<A: Asked>(form: MainForm) -> Result<Request<A>, Exit> {
    let look = form.look.clone();
    match form.resolve() {
        Form::Kill(k) => request(What::Kill(Box::new(k)), None, look),
        Form::Print(text) => Err(Exit::print(text)),
        Form::Usage(wrong) => Err(wrong.into()),
    }
}

fn verb_form<A: Asked>(
    verb: &str,
    args: Vec<OsString>,
    early: bool,
    verbs: &'static [Entry<A>],
) -> Result<Request<A>, Exit> {
    let Some(entry) = verbs.iter().find(|v| v.name == verb) else {
        return Err(usage(
            &format!("this killer has no verb '{verb}'; nothing was done"),
            &format!("see 'killer --help'; a service of this name: killer [OPTIONS] -- {verb}"),
        ));
    };
    let found = matches(verb_command(verbs), args.into_iter()).and_then(|m| {
        let m = m.subcommand_matches(verb).cloned().unwrap_or_default();
        Ok(((entry.read)(&m)?, Look::from_arg_matches(&m)?))
    });
    let (asked, look) = found.map_err(|e| usage::from_clap(&e, Some(verb), early))?;
    asked.check()?;
    request(What::Verb(asked), Some(verb), look)
}

fn request<A: Asked>(what: What<A>, verb: Option<&str>, look: Look) -> Result<Request<A>, Exit> {
    if let Some(only) = look.output.only_for().filter(|v| verb.is_none_or(|verb| !v.contains(&verb))) {
        return Err(Wrong::format(only).into());
    }
    let why = match &what {
        What::Kill(_) => None,
        What::Verb(v) => v.no_document(),
    };
    let json = matches!(look.output, Output::Json | Output::JsonPretty);
    if let Some((what, next)) = why.filter(|_| json) {
        return Err(usage(what, next));
    }
    Ok(Request { what, common: look.into() })
}
