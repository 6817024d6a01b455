//! `killer up`: loads the tracker.

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, done, tracker};

#[derive(Debug, clap::Args)]
pub struct Up {
    /// Keep what is started from now on in a named cgroup hierarchy as well, and compare the two
    #[arg(long, alias = "witness", value_name = "TIER", value_parser = ["named"])]
    cross_check: Option<String>,
}

impl Verb for Up {
    const NAME: &'static str = "up";
    const ABOUT: &'static str = "Load and pin the tracker";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        tracker::up(self.cross_check.is_some(), screen)?;
        screen.document(done::up);
        Ok(Ending::Done)
    }
}
