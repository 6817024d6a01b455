//! `killer stop`: the official stop command, SIGTERM, a wait, SIGKILL; verified empty.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::{StopOptions, Wrong};
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, Tell, stop};
use crate::report::{Style, human, model};

#[derive(Debug, clap::Args)]
pub struct Stop {
    #[command(flatten)]
    options: StopOptions,
}

impl Verb for Stop {
    const NAME: &'static str = "stop";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "End services as systemd does, and check that they are empty";

    fn check(&self) -> Result<(), Wrong> {
        self.options.asked().map(drop)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let mut s = self.options.asked()?;
        let (t, found) = names::find(&s.names, For::Verb)?;
        let _log = screen.relay(&t);
        stop::check(found.each(&t), &s)?;
        let one = |t: &_, root: &_| {
            let r = stop::end(t, root, found.of(t), &s, screen)?;
            s.fuse.used += stop::reached(&r);
            Ok(Did { ending: r.ending, word: if r.empty { "ended" } else { "stopped" }, model: r })
        };
        let shown = |r: &model::Stop, s: &Style| match screen.verbose() {
            0 => String::new(),
            _ => human::stop(r, s),
        };
        Ok(each(&t, &found, screen, true, one, shown))
    }
}
