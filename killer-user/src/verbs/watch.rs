//! `killer watch`: what members do, as it happens.

use killer_common::watch::{ALL, EXEC, EXIT, FORK, SIGNAL, STATE};

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::{name, whom};
use crate::ask::span::{self, Span};
use crate::cli::{Output, Wrong};
use crate::ending::Ending;
use crate::host::watch::{self, Order};
use crate::host::Failure;
use crate::report::{self, events, human};

/// The names in which events are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Names {
    /// The Elastic Common Schema.
    Ecs,
    /// OCSF's process activity.
    Ocsf,
}

#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Kinds of events, with commas: fork, exec, exit, signal, state (frozen, thawed, not exact)
    #[arg(long, value_name = "KINDS", value_parser = kinds, default_value = "all", hide_default_value = true)]
    kinds: u32,
    /// Only of processes of this user
    #[arg(long, value_name = "USER", value_parser = whom::user)]
    uid: Option<u32>,
    /// End after this span
    #[arg(long = "for", value_name = "SPAN", value_parser = span::parse)]
    span: Option<Span>,
    /// End when nobody is left of the services: empty
    #[arg(long, value_name = "WHAT", value_parser = ["empty"])]
    until: Option<String>,
    /// JSON in the names of others, a line for each event: ecs, ocsf
    #[arg(long, value_enum, value_name = "NAMES", hide_possible_values = true)]
    format: Option<Names>,
    /// Services, or globs (cron*), with those inside them; none: all
    #[arg(value_name = "NAME", value_parser = name::parse)]
    names: Vec<String>,
}

fn kinds(words: &str) -> Result<u32, String> {
    let one = |w: &str| match w.trim() {
        "fork" => Ok(FORK),
        "exec" => Ok(EXEC),
        "exit" => Ok(EXIT),
        "signal" => Ok(SIGNAL),
        "state" => Ok(STATE),
        "all" => Ok(ALL | STATE),
        _ => Err(format!("no kind of events is called '{}'", w.escape_debug())),
    };
    words.split(',').try_fold(0, |all, w| Ok(all | one(w)?))
}

impl Verb for Watch {
    const NAME: &'static str = "watch";
    const USAGE: &'static str = "[NAME...]";
    const ABOUT: &'static str = "Show forks, execs, ends and signals as they happen, until SIGINT";

    fn check(&self) -> Result<(), Wrong> {
        match self.until.is_some() && self.names.is_empty() {
            true => Err(Wrong::new("--until needs the name of a service", "killer watch --until=empty NAME")),
            false => Ok(()),
        }
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let order = Order {
            names: self.names.clone(),
            kinds: self.kinds,
            uid: self.uid,
            span: self.span.and_then(Span::limit),
            until_empty: self.until.is_some(),
        };
        watch::watch(&order, screen, &mut |h| {
            match (self.format, screen.output()) {
                (Some(Names::Ecs), _) => screen.bytes(report::json(&events::ecs(h), false).as_bytes()),
                (Some(Names::Ocsf), _) => screen.bytes(report::json(&events::ocsf(h), false).as_bytes()),
                (None, Output::JsonPretty) => screen.bytes(report::json(h, true).as_bytes()),
                (None, _) => screen.data(h, |s| human::happened(h, s)),
            }
            screen.is_read()
        })
    }
}
