//! `killer top`: services and what they do, on a terminal.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{TopOptions, Wrong};
use crate::ending::Ending;
use crate::host::Failure;
use crate::top::top;

#[derive(Debug, clap::Args)]
pub struct Top {
    #[command(flatten)]
    options: TopOptions,
}

impl Verb for Top {
    const NAME: &'static str = "top";
    const USAGE: &'static str = "[NAME...]";
    const ABOUT: &'static str = "Show services and what they do on a terminal, with keys";

    fn check(&self) -> Result<(), Wrong> {
        self.options.asked().map(drop)
    }

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Some(("top is drawn on a terminal and has no JSON", "'killer list -o json' has"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        top(&self.options.asked()?, screen.style())
    }
}
