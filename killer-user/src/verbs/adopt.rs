//! `killer adopt`: takes running processes in.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{AdoptOptions, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, done, run};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An adopted service is not exact, because processes that were orphaned before have lost their lineage; unless it was born since 'killer up --lineage=all' (docs/RECORDER.md)."
)]
pub struct Adopt {
    #[command(flatten)]
    o: AdoptOptions,
}

impl Verb for Adopt {
    const NAME: &'static str = "adopt";
    const USAGE: &'static str = "NAME --pid PID";
    const ABOUT: &'static str = "Take a running process and its present descendants in";

    fn check(&self) -> Result<(), Wrong> {
        self.o.whose().map(drop)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let taken = run::adopt(&self.o.name, &self.o.whose()?, self.o.to(), self.o.freeze, screen)?;
        screen.document(|| done::adopted(&self.o.name, &taken));
        Ok(taken.ending)
    }
}
