//! Names of services, as most verbs take them.

use clap::Args;

use crate::ask::{Names, name};

/// Services, by name.
#[derive(Clone, Debug, Args)]
pub struct Services {
    /// Service names; globs (cron*)
    #[arg(value_name = "NAME", required = true, value_parser = name::parse)]
    pub words: Vec<String>,
    /// Go on past names that nobody has (exit 4 at the end)
    #[arg(long)]
    pub keep_going: bool,
}

impl Services {
    /// As the floors below have them.
    pub fn names(&self) -> Names {
        Names { words: self.words.clone(), keep_going: self.keep_going }
    }
}

/// Services whose sets may have to be exact.
#[derive(Clone, Debug, Args)]
pub struct Exactly {
    /// Exit 5 unless the set is provably exact
    #[arg(long)]
    pub require_exact: bool,
    #[command(flatten)]
    services: Services,
}

impl Exactly {
    /// As the floors below have them.
    pub fn names(&self) -> Names {
        self.services.names()
    }
}
