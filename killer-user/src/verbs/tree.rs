//! `killer tree`: the lineages.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Verb;
use crate::cli::{Output, Services};
use crate::ending::Ending;
use crate::host::names::{self, For};
use crate::host::{Failure, status};
use crate::report::{Style, graph, human, model, svg};

#[derive(Debug, clap::Args)]
pub struct Tree {
    /// Show the processes that the last signal was for instead, also when all of them have ended
    #[arg(long)]
    last: bool,
    /// Show every process, not a hundred at most
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    services: Services,
}

impl Verb for Tree {
    const NAME: &'static str = "tree";
    const USAGE: &'static str = "NAME...";
    const ABOUT: &'static str = "Show the lineage as it was forked, with dead ancestors";

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let (t, found) = names::find(&self.services.names(), For::Look)?;
        if matches!(screen.output(), Output::Mermaid | Output::Svg) && found.each(&t).count() > 1 {
            return Err(Failure::new(Ending::Usage, "one picture is for one service")
                .next("name one service, or use -o dot, which may hold several graphs"));
        }
        let one = |t: &_, r: &_| {
            let model = status::tree(t, r, self.last, screen.most(self.all))?;
            Ok(Did { ending: Ending::Done, word: "shown", model })
        };
        let show = |m: &model::Tree, s: &Style| match screen.output() {
            Output::Dot => graph::dot(m),
            Output::Mermaid => graph::mermaid(m),
            Output::Svg => svg(m),
            _ => human::tree(m, s),
        };
        Ok(each(&t, &found, screen, false, one, show))
    }
}
