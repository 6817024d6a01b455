//! What stands behind `killer top`.

use std::time::Duration;

use super::receipt_options::ReceiptOptions;
use super::usage::Wrong;
use crate::ask::fuse::{self, Fuse, Share};
use crate::ask::name;
use crate::ask::span::{self, Span};
use crate::ask::top::Top;
use crate::ending::{Ending, with_code};

/// To look more often shows nothing more, and costs.
const OFTEN: Duration = Duration::from_millis(100);
/// Nobody waits longer for a look.
const SELDOM: Duration = Duration::from_secs(3600);

// No documentation comment: clap would take it for what the form is about.
#[derive(Debug, clap::Args)]
#[allow(missing_docs)]
pub struct TopOptions {
    /// Look so often; 100ms at least
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = span::parse)]
    pub interval: Span,
    #[arg(long, value_name = "N", value_parser = fuse::max, help = with_code("Signal nobody when it is for more than N processes", Ending::Failed))]
    pub max: Option<u64>,
    #[arg(long, value_name = "P%", value_parser = fuse::share, help = with_code("The same for a share of the host's live processes, such as 20%", Ending::Failed))]
    pub max_share: Option<Share>,
    #[command(flatten)]
    pub receipts: ReceiptOptions,
    /// Services, or globs (cron*); none: all
    #[arg(value_name = "NAME", value_parser = name::parse)]
    pub names: Vec<String>,
}

impl TopOptions {
    /// What is asked.
    ///
    /// # Errors
    /// A usage error.
    pub fn asked(&self) -> Result<Top, Wrong> {
        let every = self.interval.limit().filter(|d| (OFTEN..=SELDOM).contains(d));
        let wrong = || Wrong::new("bad span for --interval", "from 100ms to 1h, for example --interval=2s");
        Ok(Top {
            names: self.names.clone(),
            every: every.ok_or_else(wrong)?,
            fuse: Fuse { max: self.max, share: self.max_share, used: 0 },
            receipts: self.receipts.asked()?,
        })
    }
}
