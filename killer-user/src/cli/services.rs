//! Names of services, as most verbs take them.

use clap::Args;

use crate::ask::{Names, name};
use crate::ending::{Ending, with_code};

/// Services, by name.
#[derive(Clone, Debug, Args)]
pub struct Services {
    /// Names of services, or globs (cron*)
    #[arg(value_name = "NAME", required = true, value_parser = name::parse)]
    pub words: Vec<String>,
    /// Names that no service has are skipped.
    #[arg(long, help = with_code("Skip names that no service has, and say so at the end", Ending::Unknown))]
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
    /// The set has to be provably exact.
    #[arg(long, help = with_code("Fail unless the set is provably exact", Ending::NotExact))]
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
