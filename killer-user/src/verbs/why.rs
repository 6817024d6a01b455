//! `killer why`: the forks that lead to a process.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::pidspec;
use crate::cli::Output;
use crate::ending::Ending;
use crate::host::{Failure, why};
use crate::report::{graph, human, svg};

#[derive(Debug, clap::Args)]
pub struct Why {
    /// A process, alive or ended; with its pidfs inode where another one may have the number by now
    #[arg(value_name = "PID[:INODE]", value_parser = pidspec::parse)]
    process: (u32, Option<u64>),
    /// Show every process of the line, not a hundred at most
    #[arg(long)]
    all: bool,
}

impl Verb for Why {
    const NAME: &'static str = "why";
    const USAGE: &'static str = "PID[:INODE]";
    const ABOUT: &'static str = "Show the forks that led to a process, dead ancestors included";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let all = self.all || screen.most(false).is_none();
        let model = why::why(self.process, all)?;
        screen.data(&model, |s| match screen.output() {
            Output::Dot => graph::dot(&model.tree()),
            Output::Mermaid => graph::mermaid(&model.tree()),
            Output::Svg => svg(&model.tree()),
            _ => human::why(&model, s),
        });
        Ok(Ending::Done)
    }
}
