//! `killer rename`: another name for a service.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::name;
use crate::ending::Ending;
use crate::host::{Failure, changes, done};

#[derive(Debug, clap::Args)]
pub struct Rename {
    /// Present name
    #[arg(value_parser = name::parse)]
    old: String,
    /// New name
    #[arg(value_parser = name::parse_new)]
    new: String,
}

impl Verb for Rename {
    const NAME: &'static str = "rename";
    const USAGE: &'static str = "OLD NEW";
    const ABOUT: &'static str = "Rename a service";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        changes::rename(&self.old, &self.new)?;
        screen.document(|| done::renamed(&self.old, &self.new));
        Ok(Ending::Done)
    }
}
