//! `killer forget`: forgets what has ended, and gives up what lives.

use super::Verb;
use super::screen::Screen;
use super::several::{Did, each};
use crate::ask::{Names, name};
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, changes, done};
use crate::lookup::Root;

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "killer forget [--live] NAME... | --ended",
    after_help = "What has ended is forgotten. With --live a service that lives is given up: it has no name any more, no command of killer \
                  reaches it, and what is started in it is outside. It takes a place until it has ended; 'killer adopt NAME --pid PID' \
                  with one of its processes gives it a name again."
)]
pub struct Forget {
    /// Every service that has ended
    #[arg(long, conflicts_with_all = ["words", "keep_going"])]
    ended: bool,
    /// Give up live ones, too: they live on without a name
    #[arg(long, conflicts_with = "ended")]
    live: bool,
    /// Service names; globs (cron*)
    #[arg(value_name = "NAME", value_parser = name::parse, required_unless_present = "ended")]
    words: Vec<String>,
    /// Go on past names that nobody has (exit 4 at the end)
    #[arg(long)]
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
        let (t, found) = names::find(&names, For::Verb)?;
        let one = |t: &_, root: &Root| {
            let ending = if self.live { changes::give_up(t, root)? } else { changes::forget(t, root)? };
            Ok(Did { ending, word: ending.word(), model: done::forgotten(&root.name, ending) })
        };
        Ok(each(&t, &found, screen, true, one, |_, _| String::new()))
    }
}
