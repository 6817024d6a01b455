//! `killer adopt`: takes running processes in.

use std::path::PathBuf;

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::{TakeIn, Whose, name, pidspec};
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
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, required_unless_present_any = ["pidfile", "also"], conflicts_with_all = ["pidfile", "also"], allow_hyphen_values = true)]
    pid: Option<(u32, Option<u64>)>,
    /// A file with its PID
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Take another process into the service NAME, which is there: an orphan that belongs to it
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, conflicts_with_all = ["pidfile", "moves"], allow_hyphen_values = true)]
    also: Option<(u32, Option<u64>)>,
    /// Take it out of the service that it is a member of, too, with its present descendants; the rest stays there
    #[arg(long = "move")]
    moves: bool,
    /// Hold the service still in the same step, as 'freeze' does
    #[arg(long)]
    freeze: bool,
}

impl Adopt {
    fn whose(&self) -> Result<Whose, Wrong> {
        match (self.pid.or(self.also), &self.pidfile) {
            (Some((p, i)), _) => Ok(Whose::Pid(p, i)),
            (None, Some(f)) => Ok(Whose::Pidfile(f.clone())),
            (None, None) => Err(Wrong::new("no process given", "use --pid PID, --pidfile FILE or --also PID")),
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
        let to = match (self.also, self.moves) {
            (Some(_), _) => TakeIn::There,
            (None, true) => TakeIn::Moved,
            (None, false) => TakeIn::New,
        };
        let taken = run::adopt(&self.name, &self.whose()?, to, self.freeze, screen)?;
        screen.document(|| done::adopted(&self.name, &taken));
        Ok(taken.ending)
    }
}
