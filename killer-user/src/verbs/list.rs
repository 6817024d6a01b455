//! `killer list`: every tracked service.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::Output;
use crate::ending::Ending;
use crate::host::{Failure, status};
use crate::report::human;

#[derive(Debug, clap::Args)]
pub struct List {}

impl Verb for List {
    const NAME: &'static str = "list";
    const ABOUT: &'static str = "Show every tracked service";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (all, incomplete) = status::list(screen)?;
        // Nothing to show, and that is not all: an empty table would say that there is nothing.
        if incomplete.is_none() || !all.services.is_empty() || screen.output() != Output::Short {
            screen.data(&all, |s| human::services(&all, s));
        }
        incomplete.map_or(Ok(Ending::Done), Err)
    }
}
