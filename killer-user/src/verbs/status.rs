//! `killer status`: services, one by one.

use std::cell::Cell;

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::Exactly;
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, Tell, status, unknown};
use crate::report::human;

#[derive(Debug, clap::Args)]
pub struct Status {
    /// Show every process, not a hundred at most
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    of: Exactly,
}

impl Verb for Status {
    const NAME: &'static str = "status";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Show services: main process, members, exactness, last kill";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.of.names(), For::Look)?;
        let one = |t: &_, r: &crate::lookup::Root| {
            let s = status::status(t, r, screen.most(self.all))?;
            let exactness = &s.service.exactness;
            let ending = match () {
                () if s.service.state == "ended" => Ending::Dead,
                () if self.of.require_exact && !exactness.exact => {
                    screen.fail(&unknown::not_exact(&r.name, exactness))
                }
                () => Ending::Done,
            };
            Ok(Did { ending, word: "shown", model: s })
        };
        // An empty line between what is shown of two services.
        let shown = Cell::new(false);
        let apart = || if shown.replace(true) { "\n" } else { "" };
        Ok(each(&t, &found, screen, false, one, |m, s| apart().to_owned() + &human::status(m, s)))
    }
}
