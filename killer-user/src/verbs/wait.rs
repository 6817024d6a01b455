//! `killer wait`: until all of the services are so far, within one limit.

use std::time::Instant;

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::ask::Until;
use crate::ask::span::{self, Span};
use crate::cli::Services;
use crate::ending::{Ending, with_code};
use crate::host::names::{self, For};
use crate::host::{Failure, until};

#[derive(Debug, clap::Args)]
pub struct Wait {
    /// What to wait for: empty, main-gone, or size<=N
    #[arg(long, default_value = "empty", value_parser = Until::read, value_name = "WHAT")]
    until: Until,
    #[arg(long, value_name = "SPAN", value_parser = span::parse, help = with_code("Give up after this span", Ending::Timeout))]
    timeout: Option<Span>,
    #[command(flatten)]
    services: Services,
}

impl Verb for Wait {
    const NAME: &'static str = "wait";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Wait until services are empty, small, or without a main process";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.services.names(), For::Verb)?;
        let limit = self.timeout.and_then(Span::limit);
        let began = Instant::now();
        let one = |t: &_, root: &_| {
            let rest = limit.map(|l| l.saturating_sub(began.elapsed()));
            let model = until::until(t, root, self.until, rest, screen);
            Ok(Did { ending: model.ending, word: until::good(self.until).word(), model })
        };
        Ok(each(&t, &found, screen, true, one, |_, _| String::new()))
    }
}
