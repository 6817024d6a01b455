//! `killer capture`: a service as evidence.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{CaptureOptions, Wrong};
use crate::ending::Ending;
use crate::host::names::find_one;
use crate::host::{Failure, capture};
use crate::report::human;

#[derive(Debug, clap::Args)]
pub struct Capture {
    #[command(flatten)]
    options: CaptureOptions,
}

impl Verb for Capture {
    const NAME: &'static str = "capture";
    const USAGE: &'static str = "NAME --out FILE";
    const ABOUT: &'static str = "Hold a service still and write what it is into a file, as evidence";

    fn check(&self) -> Result<(), Wrong> {
        self.options.asked().map(drop)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let asked = self.options.asked()?;
        let (t, root) = find_one(&self.options.name)?;
        let c = capture::capture(&t, &root, &asked, screen)?;
        screen.data(&c, |s| human::capture(&c, s));
        Ok(c.ending)
    }
}
