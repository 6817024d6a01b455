//! What stands behind `killer adopt`.

use std::path::PathBuf;

use super::Wrong;
use crate::ask::{TakeIn, Whose, name, pidspec};

// No documentation comment: clap would take it for what the form is about.
#[derive(Debug, clap::Args)]
#[allow(missing_docs)]
pub struct AdoptOptions {
    /// Name for the service
    #[arg(value_parser = name::parse_new)]
    pub name: String,
    /// The process; with its pidfs inode no other process can be taken for it
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, required_unless_present_any = ["pidfile", "also", "of"], conflicts_with_all = ["pidfile", "also", "of"], allow_hyphen_values = true)]
    pub pid: Option<(u32, Option<u64>)>,
    /// A file with its PID
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// All that descends from a process, alive or ended, or from the one that has executed a program, as it was recorded since
    /// 'killer up --lineage=all'
    #[arg(long, value_name = "PID[:INODE]|PROGRAM", conflicts_with_all = ["pidfile", "also", "moves"], allow_hyphen_values = true)]
    pub of: Option<String>,
    /// Take another process into the service NAME, which is there: an orphan that belongs to it
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, conflicts_with_all = ["pidfile", "moves"], allow_hyphen_values = true)]
    pub also: Option<(u32, Option<u64>)>,
    /// Take it out of the service that it is a member of, too, with its present descendants; the rest stays there
    #[arg(long = "move")]
    pub moves: bool,
    /// Hold the service still in the same step, as 'freeze' does
    #[arg(long)]
    pub freeze: bool,
}

impl AdoptOptions {
    /// The process.
    pub fn whose(&self) -> Result<Whose, Wrong> {
        match (self.pid.or(self.also), &self.pidfile, &self.of) {
            (Some((p, i)), ..) => Ok(Whose::Pid(p, i)),
            (None, Some(f), _) => Ok(Whose::Pidfile(f.clone())),
            (None, None, Some(of)) => of_what(of),
            (None, None, None) => {
                Err(Wrong::new("no process given", "use --pid PID, --pidfile FILE, --of PID or --also PID"))
            }
        }
    }

    /// Where it is taken to.
    pub fn to(&self) -> TakeIn {
        match (self.also, self.moves) {
            (Some(_), _) => TakeIn::There,
            (None, true) => TakeIn::Moved,
            (None, false) => TakeIn::New,
        }
    }
}

/// A number, or the path of a program.
fn of_what(word: &str) -> Result<Whose, Wrong> {
    if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        let wrong = |why: String| {
            Wrong::new(format!("--of {word}: {why}"), "give a PID, PID:INODE, or the path of a program")
        };
        return pidspec::parse(word).map(|(pid, inode)| Whose::Of(pid, inode)).map_err(wrong);
    }
    Ok(Whose::Executed(PathBuf::from(word)))
}
