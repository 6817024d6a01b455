//! `killer tree`

use clap::Args;

use super::Services;
use crate::cli::Action;
use crate::cli::main_form::Look;

#[derive(Debug, Args)]
pub struct TreeArgs {
    #[command(flatten)]
    look: Look,
    /// Whom the last signal was for instead, also when all of them have ended
    #[arg(long)]
    last: bool,
    #[command(flatten)]
    names: Services,
}

impl TreeArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Tree(self.names.into(), self.last), self.look)
    }
}
