//! Survivors of SIGKILL: the options of the main form and of `stop`.

use super::usage::Wrong;
use crate::ask::Unstick;
use crate::ending::{Ending, with_code};

// No documentation comment: clap would take it for what the form is about.
#[derive(Clone, Debug, Default, clap::Args)]
#[allow(missing_docs)]
pub struct UnstickOptions {
    #[arg(long, help = with_code("With SIGKILL to all: show what holds survivors (a cgroup v1 freezer, a FUSE connection, an NFS mount, a tracer), ask, and let them end; without a yes", Ending::Withheld))]
    pub unstick: bool,
    /// Say yes to every step of --unstick that is certain
    #[arg(long)]
    pub yes: bool,
}

impl UnstickOptions {
    /// What is asked; `ends_all`: SIGKILL goes to all.
    ///
    /// # Errors
    /// A usage error.
    pub fn asked(&self, ends_all: bool) -> Result<Option<Unstick>, Wrong> {
        match (self.unstick, self.yes) {
            (false, true) => {
                Err(Wrong::new("--yes says yes to --unstick, which is not given", "give --unstick, too"))
            }
            (true, _) if !ends_all => Err(Wrong::new(
                "--unstick is for SIGKILL to all: nobody survives another signal against its will",
                "killer -s KILL --unstick NAME, or 'killer stop --unstick NAME'",
            )),
            (false, false) => Ok(None),
            (true, false) => Ok(Some(Unstick::Ask)),
            (true, true) => Ok(Some(Unstick::Yes)),
        }
    }
}
