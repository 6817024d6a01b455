//! `killer selftest`: every known way of escaping, tried on this kernel.

use super::Verb;
use super::screen::Screen;
use crate::ask;
use crate::cli::Output;
use crate::ending::Ending;
use crate::host::{Failure, selftest};
use crate::report::{human, ktap};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each trial is a service that is killed by name, judged by a pipe that only its members hold, beside a bystander that \
                  must live. Safe on a host in use: bounded in time, number and users, with a tracker of its own. \
                  -o ktap is what kselftest and LAVA read. Exit status: 0 all passed (or were skipped, with the reason), 1 one failed."
)]
pub struct Selftest {
    /// Each trial once and small: a few seconds
    #[arg(long)]
    quick: bool,
    /// Only trials with this in their name
    #[arg(long, value_name = "TRIAL")]
    only: Vec<String>,
    /// So many rounds of each trial, within two minutes
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
