//! `killer serve`: holds what cannot be pinned, for a service manager.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::listen::{self, Listen};
use crate::ending::Ending;
use crate::host::{Failure, serve};

#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Run in a session of its own
    #[arg(long)]
    detach: bool,
    /// Answer 'GET /metrics' there with the figures of 'killer metrics': PORT (of this host alone), ADDRESS:PORT, unix:PATH
    #[arg(long, value_name = "PLACE", value_parser = listen::parse)]
    metrics: Option<Listen>,
}

impl Verb for Serve {
    const NAME: &'static str = "serve";
    const ABOUT: &'static str = "Hold the programs where they cannot be pinned, until SIGTERM";
    const TAKES_NAMES: bool = false;

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Some(("'killer serve' has no JSON: it tells sd_notify", "leave -o out"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        serve::serve(self.detach, self.metrics.as_ref(), screen)
    }
}
