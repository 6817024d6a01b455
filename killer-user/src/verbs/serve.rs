//! `killer serve`: holds what cannot be pinned, for a service manager.

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, serve};

#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Run in a session of its own
    #[arg(long)]
    detach: bool,
}

impl Verb for Serve {
    const NAME: &'static str = "serve";
    const ABOUT: &'static str = "Hold the programs where they cannot be pinned, until SIGTERM";
    const TAKES_NAMES: bool = false;

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Some(("'killer serve' has no JSON: it tells sd_notify", "leave -o out"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        serve::serve(self.detach, screen)
    }
}
