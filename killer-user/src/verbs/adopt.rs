//! `killer adopt`: takes running processes in.

use std::path::PathBuf;

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::{Whose, name, pidspec};
use crate::cli::Wrong;
use crate::ending::Ending;
use crate::host::{Failure, done, run};

#[derive(Debug, clap::Args)]
#[command(after_help = "An adopted service is not exact: processes that were orphaned before have lost their lineage.")]
pub struct Adopt {
    /// Name for the service
    #[arg(value_parser = name::parse_new)]
    name: String,
    /// The process; with its pidfs inode no other process can be taken for it
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, required_unless_present = "pidfile", conflicts_with = "pidfile", allow_hyphen_values = true)]
    pid: Option<(u32, Option<u64>)>,
    /// A file with its PID
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Take it out of the service that it is a member of, too, with its present descendants; the rest stays there
    #[arg(long = "move")]
    moves: bool,
}

impl Adopt {
    fn whose(&self) -> Result<Whose, Wrong> {
        match (self.pid, &self.pidfile) {
            (Some((p, i)), _) => Ok(Whose::Pid(p, i)),
            (None, Some(f)) => Ok(Whose::Pidfile(f.clone())),
            (None, None) => Err(Wrong::new("no process given", "use --pid PID or --pidfile FILE")),
        }
    }
}

impl Verb for Adopt {
    const NAME: &'static str = "adopt";
    const USAGE: &'static str = "NAME --pid PID";
    const ABOUT: &'static str = "Take a running process and its present descendants in";

    fn check(&self) -> Result<(), Wrong> {
        self.whose().map(drop)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        run::adopt(&self.name, &self.whose()?, self.moves, screen)?;
        screen.document(|| done::adopted(&self.name));
        Ok(Ending::Done)
    }
}
