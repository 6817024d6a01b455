//! `killer down`: takes the tracker away.

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, done, tracker};

#[derive(Debug, clap::Args)]
pub struct Down {
    /// Do it also while services are tracked, or when the pins are damaged; what was tracked is lost
    #[arg(long)]
    force: bool,
}

impl Verb for Down {
    const NAME: &'static str = "down";
    const ABOUT: &'static str = "Detach the tracker; refused while services are tracked";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        tracker::down(self.force, screen)?;
        screen.document(done::down);
        Ok(Ending::Done)
    }
}
