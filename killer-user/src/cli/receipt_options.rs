//! What is kept of an order: the options of the main form and of `stop`.

use std::path::PathBuf;

use super::common::choice;
use super::usage::Wrong;
use crate::ask::receipts::{Receipts, When};
use crate::ending::{Ending, with_code};

// No documentation comment: clap would take it for what the form is about.
#[derive(Clone, Debug, Default, clap::Args)]
#[allow(missing_docs)]
pub struct ReceiptOptions {
    #[arg(long, value_parser = choice::<When>(), value_name = "WHEN", default_value = "yes", hide_possible_values = true, help = with_code("Keep a receipt ('killer receipts'): yes, where it can be written; required, or do nothing; no", Ending::Failed))]
    pub receipt: When,
    /// The same as --receipt=no
    #[arg(long)]
    pub no_receipt: bool,
    /// Sign it with this Ed25519 key [default: KILLER_SIGN_KEY, /etc/killer/receipts.key]
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
}

impl ReceiptOptions {
    /// What is asked.
    ///
    /// # Errors
    /// A usage error.
    pub fn asked(&self) -> Result<Receipts, Wrong> {
        let when = match (self.receipt, self.no_receipt) {
            (When::Required, true) => {
                return Err(Wrong::new(
                    "--no-receipt contradicts --receipt=required",
                    "leave one of them out",
                ));
            }
            (_, true) => When::No,
            (when, false) => when,
        };
        Ok(Receipts { when, key: self.sign_key.clone() })
    }
}
