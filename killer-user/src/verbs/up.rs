//! `killer up`: loads the tracker.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::lineage::Lineage;
use crate::cli::choice;
use crate::ending::Ending;
use crate::host::{Failure, done, recorded, rules, tracker};

#[derive(Debug, clap::Args)]
pub struct Up {
    /// Keep what is started from now on in a named cgroup hierarchy as well, and compare the two
    #[arg(long, alias = "witness", value_name = "TIER", value_parser = ["named"])]
    cross_check: Option<String>,
    /// Put the rules in force: services get their names at exec, and those that run already are adopted, where it is certain which
    /// process is theirs
    #[arg(long)]
    rules: bool,
    /// With --rules: adopt those, too, that only look like a service that a rule knows
    #[arg(long, requires = "rules")]
    guess: bool,
    /// Record who forks whom and what is executed: of members of services, of all processes of the host, or no longer
    #[arg(long, value_name = "OF", value_parser = choice::<Lineage>())]
    lineage: Option<Lineage>,
}

impl Verb for Up {
    const NAME: &'static str = "up";
    const ABOUT: &'static str = "Load and pin the tracker";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let cross_check = self.cross_check.is_some();
        let mut notes = match self.rules {
            false => {
                tracker::rest(&tracker::up(cross_check, screen)?)?;
                Vec::new()
            }
            true => rules::up(cross_check, self.guess, screen)?,
        };
        if let Some(of) = self.lineage {
            notes.extend(recorded::record(of, screen)?);
        }
        screen.document(|| done::up(notes));
        Ok(Ending::Done)
    }
}
