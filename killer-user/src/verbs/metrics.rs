//! `killer metrics`: figures for Prometheus.

use std::path::PathBuf;

use super::screen::Screen;
use super::verb::Verb;
use crate::ending::Ending;
use crate::host::{Failure, metrics};

#[derive(Debug, clap::Args)]
pub struct Metrics {
    /// Write it into this file, whole or not at all: for the textfile collector of node_exporter
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Verb for Metrics {
    const NAME: &'static str = "metrics";
    const ABOUT: &'static str = "Print the tracker's figures for Prometheus";
    const TAKES_NAMES: bool = false;

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Some(("metrics are text of Prometheus, no JSON", "'killer list -o json' is"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        match &self.out {
            Some(path) => metrics::write(path)?,
            None => screen.bytes(metrics::metrics()?.as_bytes()),
        }
        Ok(Ending::Done)
    }
}
