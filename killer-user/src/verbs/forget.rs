//! `killer forget`: forgets what has ended, and gives up what lives.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::ask::{Names, name};
use crate::ending::{Ending, with_code};
use crate::host::names::{self, For};
use crate::host::{Failure, changes, done};
use crate::lookup::Root;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "killer forget [--live] NAME... | --ended",
    after_help = "Services that have ended are forgotten. With --live a live service is given up: it has no name any more, no command of \
                  killer reaches it, and what is started in it is outside of it. It takes a place until it has ended. 'killer adopt \
                  NAME --pid PID' with one of its processes gives it a name again."
)]
pub struct Forget {
    /// Forget every service that has ended
    #[arg(long, conflicts_with_all = ["words", "keep_going"])]
    ended: bool,
    /// Give up live services, too: they live on without a name
    #[arg(long, conflicts_with = "ended")]
    live: bool,
    /// Names of services, or globs (cron*)
    #[arg(value_name = "NAME", value_parser = name::parse, required_unless_present = "ended")]
    words: Vec<String>,
    #[arg(long, help = with_code("Skip names that no service has, and say so at the end", Ending::Unknown))]
    keep_going: bool,
}

impl Verb for Forget {
    const NAME: &'static str = "forget";
    const USAGE: &'static str = "NAME... | --ended";
    const ABOUT: &'static str = "Forget services that have ended";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        if self.ended {
            screen.data(&changes::forget_ended()?, |_| String::new());
            return Ok(Ending::Done);
        }
        let names = Names { words: self.words.clone(), keep_going: self.keep_going };
        let (t, found) = names::find(&names, For::Look)?;
        let one = |t: &_, root: &Root| {
            let ending = if self.live { changes::give_up(t, root)? } else { changes::forget(t, root)? };
            Ok(Did { ending, word: ending.word(), model: done::forgotten(&root.name, ending) })
        };
        Ok(each(&t, &found, screen, true, one, |_, _| String::new()))
    }
}
