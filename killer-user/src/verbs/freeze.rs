//! `killer freeze`.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::Services;
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, Tell, freeze};
use crate::report::model::Receipt;
use crate::report::{Style, human};
use crate::sys::sched;

#[derive(Debug, clap::Args)]
pub struct Freeze {
    #[command(flatten)]
    services: Services,
}

impl Verb for Freeze {
    const NAME: &'static str = "freeze";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Hold every process of services still, until 'thaw'";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let hurry = sched::Hurry::start();
        let (t, found) = names::find(&self.services.names(), For::Each)?;
        freeze::cannot(&t)?;
        drop(hurry);
        let one = |t: &_, root: &_| {
            let model = freeze::freeze(t, root, screen)?;
            Ok(Did { ending: model.ending, word: "frozen", model })
        };
        let shown = |r: &Receipt, s: &Style| match screen.verbose() {
            0 => String::new(),
            _ => human::receipt(r, s),
        };
        Ok(each(&t, &found, screen, true, one, shown))
    }
}
