//! `killer verify-capture`: whether a file is a capture as it was written.

use std::path::PathBuf;

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, capture};
use crate::report::human;
use crate::report::model::CaptureState;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It needs no privilege and no tracker, and believes nothing of what it reads. A file that ends too soon is incomplete: the \
                  parts up to the last record are as they were written. Somebody who can write may change a file and its manifest \
                  together; against that helps the digest that 'capture' prints, kept elsewhere (--sha256)."
)]
pub struct VerifyCapture {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file must have this digest
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
}

impl Verb for VerifyCapture {
    const NAME: &'static str = "verify-capture";
    const USAGE: &'static str = "FILE";
    const ABOUT: &'static str = "Check a file of 'capture': whole, incomplete or changed";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let c = capture::verify(&self.file, self.sha256.as_deref())?;
        screen.data(&c, |s| human::capture_check(&c, s));
        Ok(if c.state == CaptureState::Whole { Ending::Done } else { Ending::Failed })
    }
}
