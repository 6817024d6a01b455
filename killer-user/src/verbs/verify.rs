//! `killer verify`: what other ways of finding the members would have missed.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::Exactly;
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, Tell, compare, unknown};
use crate::lookup::Root;
use crate::report::human;

#[derive(Debug, clap::Args)]
pub struct Verify {
    #[command(flatten)]
    of: Exactly,
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Show what other ways of finding the members would have missed";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.of.names(), For::Look)?;
        let one = |t: &_, r: &Root| {
            let model = compare::compare(t, r)?;
            let ending = if self.of.require_exact && !model.exactness.exact {
                screen.fail(&unknown::not_exact(&r.name, &model.exactness))
            } else if model.disagreements.is_empty() {
                Ending::Done
            } else {
                Ending::Failed
            };
            Ok(Did { ending, word: "compared", model })
        };
        Ok(each(&t, &found, screen, false, one, human::verify))
    }
}
