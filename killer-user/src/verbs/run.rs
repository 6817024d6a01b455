//! `killer run`: starts CMD as a tracked service.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{RunOptions, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, done, run};

#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    options: RunOptions,
}

impl Verb for Run {
    const NAME: &'static str = "run";
    const USAGE: &'static str = "--name NAME -- CMD...";
    const ABOUT: &'static str = "Start CMD as the root of a tracked service";

    fn check(&self) -> Result<(), Wrong> {
        self.options.asked().map(drop)
    }

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        (!self.options.detaches()).then_some((
            "stdout is CMD's in the foreground, so it cannot hold JSON",
            "run --detach prints a document",
        ))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let ran = run::run(&self.options.asked()?, screen)?;
        if self.options.detaches() && ran.ending.is_good() {
            screen.document(|| done::started(&ran.name));
        }
        Ok(ran.ending)
    }
}
