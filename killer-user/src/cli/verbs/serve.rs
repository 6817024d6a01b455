//! `killer serve`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    look: Look,
    /// In a session of its own
    #[arg(long)]
    detach: bool,
}

impl ServeArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Serve(self.detach), self.look)
    }
}
