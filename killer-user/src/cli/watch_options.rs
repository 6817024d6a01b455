//! What stands behind `killer watch`.

use killer_common::watch::Glob;

use super::common::choice;
use crate::ask::events::{Order, Schema, kinds};
use crate::ask::span::{self, Span};
use crate::ask::{exe, name, whom};

// No documentation comment: clap would take it for what the form is about.
#[derive(Debug, clap::Args)]
#[allow(missing_docs)]
pub struct WatchOptions {
    /// Kinds of events, with commas: fork, exec, exit, signal, state (frozen, thawed, not exact)
    #[arg(long, value_name = "KINDS", value_parser = kinds, default_value = "all", hide_default_value = true)]
    pub kinds: u32,
    /// Only of processes of this user
    #[arg(long, value_name = "USER", value_parser = whom::user)]
    pub uid: Option<u32>,
    /// Only of processes that run a program of this name, or, with a /, of this path as executed
    #[arg(long, value_name = "GLOB", value_parser = exe::parse)]
    pub exe: Option<Box<Glob>>,
    /// End after this span
    #[arg(long = "for", value_name = "SPAN", value_parser = span::parse)]
    pub span: Option<Span>,
    /// End when nobody is left of the services: empty
    #[arg(long, value_name = "WHAT", value_parser = ["empty"])]
    pub until: Option<String>,
    /// JSON in the names of others, a line for each event: ecs, ocsf
    #[arg(long, value_parser = choice::<Schema>(), value_name = "NAMES", hide_possible_values = true)]
    pub format: Option<Schema>,
    /// Services, or globs (cron*), with those inside them; none: all
    #[arg(value_name = "NAME", value_parser = name::parse)]
    pub names: Vec<String>,
}

impl WatchOptions {
    /// What is asked for.
    pub fn order(&self) -> Order {
        Order {
            names: self.names.clone(),
            kinds: self.kinds,
            uid: self.uid,
            exe: self.exe.clone(),
            span: self.span.and_then(Span::limit),
            until_empty: self.until.is_some(),
        }
    }
}
