//! `killer rename`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;
use crate::parse::name;

#[derive(Debug, Args)]
pub struct RenameArgs {
    #[command(flatten)]
    look: Look,
    /// Present name
    #[arg(value_parser = name::parse)]
    old: String,
    /// New name
    #[arg(value_parser = name::parse_new)]
    new: String,
}

impl RenameArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Rename(self.old, self.new), self.look)
    }
}
