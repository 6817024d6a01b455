//! `killer forget`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;
use crate::parse::name;

#[derive(Debug, Args)]
#[command(override_usage = "killer forget NAME | --ended")]
pub struct ForgetArgs {
    #[command(flatten)]
    look: Look,
    /// Every service that has ended
    #[arg(long, conflicts_with = "name")]
    ended: bool,
    /// Service name
    #[arg(value_parser = name::parse, required_unless_present = "ended")]
    name: Option<String>,
}

impl ForgetArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        let action = match self.name {
            Some(name) => Action::Forget(name),
            None => Action::ForgetEnded,
        };
        (action, self.look)
    }
}
