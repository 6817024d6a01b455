//! `killer forget`

use clap::Args;

use crate::cli::main_form::Look;
use crate::cli::{Action, Names};
use crate::parse::name;

#[derive(Debug, Args)]
#[command(override_usage = "killer forget NAME... | --ended")]
pub struct ForgetArgs {
    #[command(flatten)]
    look: Look,
    /// Every service that has ended
    #[arg(long, conflicts_with_all = ["words", "keep_going"])]
    ended: bool,
    /// Service names; globs (cron*)
    #[arg(value_name = "NAME", value_parser = name::parse, required_unless_present = "ended")]
    words: Vec<String>,
    /// Go on past names that nobody has (exit 4 at the end)
    #[arg(long)]
    keep_going: bool,
}

impl ForgetArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        let action = if self.ended {
            Action::ForgetEnded
        } else {
            Action::Forget(Names { words: self.words, keep_going: self.keep_going })
        };
        (action, self.look)
    }
}
