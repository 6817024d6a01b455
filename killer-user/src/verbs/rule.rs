//! `killer rule`: which executed files name a service.

use super::screen::Screen;
use super::verb::Verb;
use crate::ask::rule::Rules;
use crate::cli::{RuleOptions, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, done, rules};
use crate::report::human;
use crate::report::model::Verb as Kind;

#[derive(Debug, clap::Args)]
pub struct Rule {
    #[command(flatten)]
    options: RuleOptions,
}

impl Verb for Rule {
    const NAME: &'static str = "rule";
    const USAGE: &'static str = "ACTION";
    const ABOUT: &'static str = "Show, change, test and load the rules that name services";
    const TAKES_NAMES: bool = false;

    fn check(&self) -> Result<(), Wrong> {
        self.options.asked().map(drop)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        match self.options.asked()? {
            Rules::List(true) => screen.bytes(rules::built_in()?.as_bytes()),
            Rules::List(false) => {
                let all = rules::list(screen)?;
                screen.data(&all, |s| human::rules(&all, s));
            }
            Rules::Test(exec) => {
                let t = rules::test(&exec, screen)?;
                screen.data(&t, |s| human::rule_test(&t, s));
                return Ok(if t.service.is_some() { Ending::Done } else { Ending::Unnamed });
            }
            Rules::Check(file) => {
                let c = rules::check(file.as_deref())?;
                screen.data(&c, |s| human::rule_check(&c, s));
                return Ok(if c.good { Ending::Done } else { Ending::Failed });
            }
            Rules::Add(rule) => {
                rules::add(&rule, screen)?;
                screen.document(|| done::rules(Kind::RuleAdd, Vec::new()));
            }
            Rules::Remove(file) => {
                rules::remove(&file, screen)?;
                screen.document(|| done::rules(Kind::RuleRemove, Vec::new()));
            }
            Rules::Load => {
                let loaded = rules::load(screen)?;
                screen.document(|| done::rules(Kind::RuleLoad, vec![loaded.text()]));
            }
        }
        Ok(Ending::Done)
    }
}
