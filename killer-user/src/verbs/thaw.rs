//! `killer thaw`.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::Services;
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, Tell, freeze};
use crate::report::model::Receipt;
use crate::report::{Style, human};

#[derive(Debug, clap::Args)]
pub struct Thaw {
    #[command(flatten)]
    services: Services,
}

impl Verb for Thaw {
    const NAME: &'static str = "thaw";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Let frozen services go on";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.services.names(), For::Each)?;
        freeze::cannot(&t)?;
        let one = |t: &_, root: &_| {
            let model = freeze::thaw(t, root, screen)?;
            Ok(Did { ending: model.ending, word: "thawed", model })
        };
        let shown = |r: &Receipt, s: &Style| match screen.verbose() {
            0 => String::new(),
            _ => human::receipt(r, s),
        };
        Ok(each(&t, &found, screen, true, one, shown))
    }
}
