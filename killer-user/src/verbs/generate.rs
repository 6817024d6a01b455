//! `killer generate`: what is made from the definition of the options.

use clap::{Args, Subcommand};

use super::screen::Screen;
use super::ALL;
use super::verb::Verb;
use crate::cli::completions::completions;
use crate::cli::generate;
use crate::ending::Ending;
use crate::host::Failure;

#[derive(Debug, Args)]
#[command(override_usage = "killer generate [OPTIONS] man|completions SHELL|schema")]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Man page (roff)
    Man,
    /// Shell completions
    Completions {
        /// bash, zsh, fish, elvish, powershell
        shell: clap_complete::Shell,
    },
    /// JSON schema of the receipt
    #[cfg(feature = "schema")]
    Schema,
}

impl Verb for Generate {
    const NAME: &'static str = "generate";
    const USAGE: &'static str = "WHAT";
    const ABOUT: &'static str = "Make a man page, completions or the JSON schema";
    const TAKES_NAMES: bool = false;

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        match self.what {
            #[cfg(feature = "schema")]
            What::Schema => None,
            What::Man | What::Completions { .. } => Some(("a man page and completions are no JSON", "'killer generate schema' is")),
        }
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        screen.bytes(&match self.what {
            What::Man => generate::man(ALL)?,
            What::Completions { shell } => completions(ALL, shell),
            #[cfg(feature = "schema")]
            What::Schema => crate::report::schema().into_bytes(),
        });
        Ok(Ending::Done)
    }
}
