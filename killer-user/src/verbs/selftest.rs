//! `killer selftest`: every known way of escaping, tried on this kernel.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask;
use crate::cli::Output;
use crate::ending::Ending;
use crate::host::{Failure, selftest};
use crate::report::{human, ktap};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each trial is a service that is killed by name. The judge is a pipe that only its members hold, and a bystander beside \
                  it must live. The test is safe on a host in use: it has a tracker of its own, and it is bounded in time, number and \
                  users. -o ktap is what kselftest and LAVA read. The test succeeds when every trial has passed, or was skipped with \
                  the reason."
)]
pub struct Selftest {
    /// Run each trial once and small: this takes a few seconds
    #[arg(long)]
    quick: bool,
    /// Run only the trials with this in their name
    #[arg(long, value_name = "TRIAL")]
    only: Vec<String>,
    /// Run this many rounds of each trial, within two minutes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
}

impl Verb for Selftest {
    const NAME: &'static str = "selftest";
    const USAGE: &'static str = "[--quick]";
    const ABOUT: &'static str = "Run every known way of escaping here, with a tracker of its own";
    const TAKES_NAMES: bool = false;

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let asked = ask::Selftest { quick: self.quick, only: self.only.clone(), rounds: self.rounds };
        let (m, ending) = selftest::selftest(&asked, screen)?;
        match screen.output() {
            Output::Ktap => screen.bytes(ktap::ends(&m).as_bytes()),
            _ => screen.data(&m, |s| human::selftest_ends(&m, s)),
        }
        Ok(ending)
    }
}
