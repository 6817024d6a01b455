//! `killer selftest`

use clap::Args;

use crate::cli::main_form::Look;
use crate::cli::{Action, Selftest};

#[derive(Debug, Args)]
#[command(
    after_help = "Each trial is a service that is killed by name, judged by a pipe that only its members hold, beside a bystander that \
                  must live. Safe on a host in use: bounded in time, number and users, with a tracker of its own. \
                  -o ktap is what kselftest and LAVA read. Exit status: 0 all passed (or were skipped, with the reason), 1 one failed."
)]
pub struct SelftestArgs {
    #[command(flatten)]
    look: Look,
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

impl SelftestArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Selftest(Selftest { quick: self.quick, only: self.only, rounds: self.rounds }), self.look)
    }
}
