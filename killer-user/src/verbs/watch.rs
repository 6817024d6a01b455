//! `killer watch`: what members do, as it happens.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{WatchOptions, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, watch};

#[derive(Debug, clap::Args)]
pub struct Watch {
    #[command(flatten)]
    options: WatchOptions,
}

impl Verb for Watch {
    const NAME: &'static str = "watch";
    const USAGE: &'static str = "[NAME...]";
    const ABOUT: &'static str = "Show forks, execs, ends and signals as they happen, until SIGINT";

    fn check(&self) -> Result<(), Wrong> {
        match self.options.until.is_some() && self.options.names.is_empty() {
            true => Err(Wrong::new("--until needs the name of a service", "killer watch --until=empty NAME")),
            false => Ok(()),
        }
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        watch::watch(&self.options.order(), screen, &mut |h| screen.event(h, self.options.format))
    }
}
