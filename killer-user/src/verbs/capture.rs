//! `killer capture`: a service as evidence.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::Names;
use crate::cli::{CaptureOptions, Captures, Wrong};
use crate::ending::Ending;
use crate::host::names::{self, For};
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
        let (name, asked) = match self.options.asked()? {
            Captures::Make(name, asked) => (name, asked),
            Captures::Export(file) => {
                let e = capture::export(&file, screen)?;
                screen.data(&e, |s| human::capture_export(&e, s));
                return Ok(Ending::Done);
            }
        };
        let (t, found) = names::find(&Names::one(&name), For::Verb)?;
        let (t, root) = capture::named(&t, &found, screen)?;
        let c = capture::capture(t, root, &asked, screen)?;
        screen.data(&c, |s| human::capture(&c, s));
        Ok(c.ending)
    }
}
