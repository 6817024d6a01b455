//! `killer set-main`

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;
use crate::parse::{name, pidspec};

#[derive(Debug, Args)]
pub struct SetMainArgs {
    #[command(flatten)]
    look: Look,
    /// Service name
    #[arg(value_parser = name::parse)]
    name: String,
    /// A member's PID
    #[arg(value_parser = pidspec::pid)]
    pid: u32,
}

impl SetMainArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::SetMain(self.name, self.pid), self.look)
    }
}
