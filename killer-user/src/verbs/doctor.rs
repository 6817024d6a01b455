//! `killer doctor`: what this kernel can do, and what is guaranteed on it.

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, doctor};
use crate::report::human;

#[derive(Debug, clap::Args)]
pub struct Doctor {}

impl Verb for Doctor {
    const NAME: &'static str = "doctor";
    const ABOUT: &'static str = "Show what this kernel can do and what killer promises on it";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let d = doctor::doctor();
        screen.data(&d, |s| human::doctor(&d, s));
        Ok(match d.checks.iter().any(|c| c.result == "fail") {
            true => Ending::Failed,
            false => Ending::Done,
        })
    }
}
