//! `killer set-main`: makes a member the main process.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::{name, pidspec};
use crate::ending::Ending;
use crate::host::{Failure, changes, done};

#[derive(Debug, clap::Args)]
pub struct SetMain {
    /// Service name
    #[arg(value_parser = name::parse)]
    name: String,
    /// A member's PID
    #[arg(value_parser = pidspec::pid)]
    pid: u32,
}

impl Verb for SetMain {
    const NAME: &'static str = "set-main";
    const USAGE: &'static str = "NAME PID";
    const ABOUT: &'static str = "Make a member the main process";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        changes::set_main(&self.name, self.pid)?;
        screen.document(|| done::main_set(&self.name));
        Ok(Ending::Done)
    }
}
