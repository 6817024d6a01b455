//! The options of `killer receipts`.

use std::path::PathBuf;

use super::usage::Wrong;
use crate::ending::{Ending, with_code};

/// What stands behind `killer receipts`.
#[derive(Clone, Debug, clap::Args)]
#[command(override_usage = "killer receipts [OPTIONS] [ID] | --verify | --new-key FILE")]
pub struct ReceiptsOptions {
    /// Show this receipt whole; the beginning of its name is enough
    #[arg(value_name = "ID", value_parser = hash)]
    pub id: Option<String>,
    /// Check the files.
    #[arg(long, conflicts_with = "id", help = with_code("Check that no line was changed, removed or put in", Ending::Failed))]
    pub verify: bool,
    /// With --verify: this head, kept elsewhere, must be one of the lines
    #[arg(long, value_name = "HASH", requires = "verify", value_parser = hash)]
    pub head: Option<String>,
    /// With --verify: check the signatures with this public key
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub key: Option<PathBuf>,
    /// Look into this directory; the files may be a copy of another machine's
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Show every receipt, not the last hundred
    #[arg(long)]
    pub all: bool,
    /// Make a pair of Ed25519 keys: FILE signs, FILE.pub checks
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "verify", "dir", "all"])]
    pub new_key: Option<PathBuf>,
}

/// Hexadecimal digits, at most as many as a hash has.
fn hash(text: &str) -> Result<String, String> {
    let low = text.to_ascii_lowercase();
    let plain = (1..=64).contains(&low.len()) && low.bytes().all(|b| b.is_ascii_hexdigit());
    if plain {
        Ok(low)
    } else {
        Err(format!("bad hash '{}': it has hexadecimal digits only", text.escape_debug()))
    }
}

impl ReceiptsOptions {
    /// Checks what clap cannot.
    ///
    /// # Errors
    /// What is wrong, and the next step.
    pub fn check(&self) -> Result<(), Wrong> {
        match &self.head {
            Some(h) if h.len() != 64 => Err(Wrong::new(
                "a head is the whole hash of a line: 64 digits",
                "'killer receipts --verify' shows it",
            )),
            _ => Ok(()),
        }
    }
}
