//! `killer up`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    look: Look,
    /// Keep what is started from now on in a named cgroup hierarchy, too, and compare the two
    #[arg(long, value_name = "TIER", value_parser = ["named"])]
    witness: Option<String>,
}

impl UpArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Up(self.witness.is_some()), self.look)
    }
}
