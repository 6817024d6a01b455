//! `killer generate`

use clap::{Args, Subcommand};

use crate::cli::main_form::Look;
use crate::cli::{Action, Generate};

#[derive(Debug, Args)]
#[command(override_usage = "killer generate [OPTIONS] man|completions SHELL|schema")]
pub struct GenerateArgs {
    #[command(flatten)]
    look: Look,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Man page (roff)
    Man,
    /// Shell completions
    Completions {
        /// bash, zsh, fish, elvish, powershell
        shell: clap_complete::Shell,
    },
    /// JSON schema of the receipt
    Schema,
}

impl GenerateArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        let what = match self.what {
            What::Man => Generate::Man,
            What::Completions { shell } => Generate::Completions(shell),
            What::Schema => Generate::Schema,
        };
        (Action::Generate(what), self.look)
    }
}
