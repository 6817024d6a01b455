//! `killer exec`

use std::ffi::OsString;

use clap::Args;

use crate::cli::Action;
use crate::cli::main_form::Look;
use crate::parse::name;

#[derive(Debug, Args)]
#[command(override_usage = "killer exec --name NAME -- CMD...")]
pub struct ExecArgs {
    #[command(flatten)]
    look: Look,
    /// Name of the service
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// Program and arguments
    #[arg(required = true, last = true, value_name = "CMD", num_args = 1..)]
    argv: Vec<OsString>,
}

impl ExecArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Exec(self.name, self.argv), self.look)
    }
}
