//! `killer down`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    look: Look,
    /// Also while services are tracked, or when the pins are damaged: what was tracked is lost
    #[arg(long)]
    force: bool,
}

impl DownArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Down(self.force), self.look)
    }
}
