//! A verb, as the command line has it. Which ones there are is said above this room.

use clap::{ArgMatches, Args, Command};

use super::common::Look;
use super::usage::Wrong;

/// What many commands have and killer has not, or not yet. In the place of a verb they are refused: taken as names,
/// `killer watch cron` would send SIGTERM to cron.
pub const RESERVED: [&str; 1] = ["help"];

/// What a verb makes of its arguments.
pub trait Asked {
    /// Checks what clap cannot.
    ///
    /// # Errors
    /// What is wrong, and the next step.
    fn check(&self) -> Result<(), Wrong>;

    /// Why it has no JSON document, and what has one.
    fn no_document(&self) -> Option<(&'static str, &'static str)>;
}

/// A verb as the command line has it; `A` is what its arguments become.
pub struct Entry<A: 'static> {
    /// As it is typed.
    pub name: &'static str,
    /// What stands behind it, for the list of all verbs.
    pub usage: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// True when names of services stand behind it.
    pub takes_names: bool,
    /// Its own arguments.
    pub arguments: fn(Command) -> Command,
    /// What was asked.
    pub read: fn(&ArgMatches) -> Result<A, clap::Error>,
}

impl<A> std::fmt::Debug for Entry<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<A> Entry<A> {
    /// clap's view of it.
    pub fn command(&self) -> Command {
        // What the derived arguments say they are about is about their type.
        let own = (self.arguments)(Command::new(self.name));
        Look::augment_args(own).about(self.about).disable_help_subcommand(true)
    }
}

/// Names of verbs.
pub fn names<A>(verbs: &[Entry<A>]) -> Vec<&'static str> {
    verbs.iter().map(|v| v.name).collect()
}
