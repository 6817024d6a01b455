//! `killer exec`: runs CMD inside a service.

use std::ffi::OsString;

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::name;
use crate::ending::Ending;
use crate::host::{Failure, run};

#[derive(Debug, clap::Args)]
#[command(override_usage = "killer exec --name NAME -- CMD...")]
pub struct Exec {
    /// Name of the service
    #[arg(long, value_parser = name::parse)]
    name: String,
    /// Program and arguments
    #[arg(required = true, last = true, value_name = "CMD", num_args = 1..)]
    argv: Vec<OsString>,
}

impl Verb for Exec {
    const NAME: &'static str = "exec";
    const USAGE: &'static str = "--name NAME -- CMD...";
    const ABOUT: &'static str = "Run CMD as a control process of a tracked service";

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Some(("stdout is CMD's, so it cannot hold JSON", "leave -o out"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        run::exec(&self.name, &self.argv, screen)
    }
}
