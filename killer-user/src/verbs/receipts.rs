//! `killer receipts`: what was killed, by whom, and whether the receipts are as they were written.

use super::screen::Screen;
use super::verb::Verb;
use crate::cli::{ReceiptsOptions, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, Tell, receipts};
use crate::report::{escape, human};

#[derive(Debug, clap::Args)]
pub struct Receipts {
    #[command(flatten)]
    o: ReceiptsOptions,
}

impl Verb for Receipts {
    const NAME: &'static str = "receipts";
    const USAGE: &'static str = "[ID]";
    const ABOUT: &'static str = "Show what was killed, and check that the record is whole";
    const TAKES_NAMES: bool = false;

    fn check(&self) -> Result<(), Wrong> {
        self.o.check()
    }

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        self.o.new_key.as_ref().map(|_| ("a key is no JSON", "leave -o out"))
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        let dir = self.o.dir.as_deref();
        if let Some(path) = &self.o.new_key {
            let public = receipts::new_key(path)?;
            if screen.verbose() > 0 {
                screen.bytes(format!("{}\n", escape::text(&public.display().to_string())).as_bytes());
            }
        } else if self.o.verify {
            let asked = receipts::Asked { head: self.o.head.clone(), key: self.o.key.clone() };
            let check = receipts::verify(dir, &asked)?;
            screen.data(&check, |s| human::ledger(&check, s));
            if let Some(f) = receipts::wrong(&check) {
                return Err(f);
            }
        } else if let Some(id) = &self.o.id {
            let one = receipts::one(dir, id)?;
            screen.data(&one, |s| human::kept(&one, s));
        } else {
            let all = receipts::list(dir, screen.most(self.o.all))?;
            screen.data(&all, |s| human::receipts(&all, s));
        }
        Ok(Ending::Done)
    }
}
