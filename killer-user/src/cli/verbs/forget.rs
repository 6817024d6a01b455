//! `killer forget`

use clap::Args;

use crate::cli::main_form::Look;
use crate::cli::{Action, Names};
use crate::parse::name;

#[derive(Debug, Args)]
#[command(
    override_usage = "killer forget [--live] NAME... | --ended",
    after_help = "What has ended is forgotten. With --live a service that lives is given up: it has no name any more, no command of killer \
                  reaches it, and what is started in it is outside. It takes a place until it has ended; 'killer adopt NAME --pid PID' \
                  with one of its processes gives it a name again."
)]
pub struct ForgetArgs {
    #[command(flatten)]
    look: Look,
    /// Every service that has ended
    #[arg(long, conflicts_with_all = ["words", "keep_going"])]
    ended: bool,
    /// Give up live ones, too: they live on without a name
    #[arg(long, conflicts_with = "ended")]
    live: bool,
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
            let names = Names { words: self.words, keep_going: self.keep_going };
            if self.live { Action::GiveUp(names) } else { Action::Forget(names) }
        };
        (action, self.look)
    }
}
