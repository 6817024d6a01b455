//! `killer wait`

use clap::Args;

use super::Services;
use crate::cli::main_form::Look;
use crate::cli::{Action, Until};
use crate::parse::span;
use crate::parse::span::Span;

#[derive(Debug, Args)]
pub struct WaitArgs {
    #[command(flatten)]
    look: Look,
    /// empty, main-gone, or size<=N
    #[arg(long, default_value = "empty", value_parser = until, value_name = "WHAT")]
    until: Until,
    /// Give up after this span (exit 124)
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    timeout: Option<Span>,
    #[command(flatten)]
    names: Services,
}

fn until(text: &str) -> Result<Until, String> {
    match text {
        "empty" => Ok(Until::Empty),
        "main-gone" => Ok(Until::MainGone),
        t => t
            .strip_prefix("size<=")
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|n| n.parse().ok())
            .map(Until::Size)
            .ok_or_else(|| format!("bad condition '{}'", t.escape_debug())),
    }
}

impl WaitArgs {
    pub(super) fn resolve(self) -> (Action, Look) {
        (Action::Wait(self.names.into(), self.until, self.timeout), self.look)
    }
}
