//! `killer ledger`: what has been of services.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::Services;
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, past};
use crate::report::human;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An end is remembered until another member with the same number, modulo 32,768, has ended; names are kept of those that have forked."
)]
pub struct Ledger {
    /// Show every end and receipt, not a hundred of each
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    services: Services,
}

impl Verb for Ledger {
    const NAME: &'static str = "ledger";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Show who has ended and how, and what was done";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.services.names(), For::Look)?;
        let one = |t: &_, r: &crate::lookup::Root| {
            let model = past::ledger(t, r, screen.most(self.all))?;
            Ok(Did { ending: Ending::Done, word: "shown", model })
        };
        Ok(each(&t, &found, screen, false, one, human::past))
    }
}
