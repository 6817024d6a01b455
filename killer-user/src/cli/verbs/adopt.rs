//! `killer adopt`

use std::path::PathBuf;

use clap::Args;

use crate::cli::main_form::Look;
use crate::cli::{Action, Whose};
use crate::parse::{name, pidspec};

#[derive(Debug, Args)]
#[command(after_help = "An adopted service is not exact: orphans from before have lost their lineage.")]
pub struct AdoptArgs {
    #[command(flatten)]
    look: Look,
    /// Name for the service
    #[arg(value_parser = name::parse_new)]
    name: String,
    /// The process, with its pidfs inode to be sure
    #[arg(long, value_name = "PID[:INODE]", value_parser = pidspec::parse, required_unless_present = "pidfile", conflicts_with = "pidfile", allow_hyphen_values = true)]
    pid: Option<(u32, Option<u64>)>,
    /// A file with its PID
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
}

impl AdoptArgs {
    pub(super) fn resolve(self) -> Result<(Action, Look), (String, String)> {
        let whose = match (self.pid, self.pidfile) {
            (Some((p, i)), _) => Whose::Pid(p, i),
            (None, Some(f)) => Whose::Pidfile(f),
            (None, None) => {
                return Err(("no process given".into(), "use --pid PID or --pidfile FILE".into()));
            }
        };
        Ok((Action::Adopt(self.name, whose), self.look))
    }
}
