//! The signals by which `run --kill-on-exit` ends a set, gathered for the receipt.

use killer_common::record::Member;

use super::deed::{Ends, Frame, Processes};
use super::main_process::Main;
use super::{Tell, kept, models, survivors};
use crate::ask::receipts::Receipts;
use crate::ask::signal;
use crate::ending::Ending;
use crate::kill::{Fate, Outcome, Waited, empty};
use crate::lineage::Lineage;
use crate::report::message;
use crate::report::model::{Counts, Deed};
use crate::sys::clock;
use crate::tier::Tracker;

/// What was sent so far.
pub struct Sent {
    /// CLOCK_MONOTONIC and CLOCK_BOOTTIME, ns.
    began: (u64, u64),
    before: Counts,
    main: Option<Main>,
    signals: Vec<String>,
    all: Processes,
}

impl Sent {
    /// Nothing yet.
    pub fn new(t: &Tracker, family: &Lineage<'_>) -> Self {
        let main = models::main_of(t, family.root());
        let before = survivors::counts(family);
        let began = (clock::monotonic_ns(), clock::boottime_ns());
        Self { began, before, main, signals: Vec::new(), all: Processes::default() }
    }

    /// One signal, with what became of it.
    pub fn add(&mut self, t: &Tracker, number: i32, o: &Outcome) {
        if o.targets.is_empty() {
            return;
        }
        let name = signal::name(number);
        for x in &o.targets {
            let (result, error) = match x.fate {
                Fate::Signalled => ("signalled", None),
                Fate::Gone => ("gone", None),
                Fate::Refused(e) => ("refused", Some(message::errno(e))),
            };
            self.all.got(&models::process(t, &x.member, self.main), &name, result, error.as_deref());
        }
        self.signals.push(name);
    }

    /// The receipt of all of them; of none there is none.
    pub fn keep(
        self,
        t: &Tracker,
        family: &Lineage<'_>,
        done: Waited,
        left: &[(Member, String, String)],
        tell: &dyn Tell,
    ) {
        if self.signals.is_empty() {
            return;
        }
        let ending = match done {
            Waited::Done => Ending::Stopped,
            Waited::TimedOut => Ending::Survivors,
            Waited::Interrupted(sig) => Ending::Interrupted(sig),
        };
        let exactness = models::exactness(t, family.root());
        let left = survivors::with_words(t, left, self.main);
        let frame = Frame {
            form: "kill-on-exit",
            service: &family.root().name,
            whom: "all",
            line: &[],
            ending: (ending.word(), ending.code()),
            tier: t.tier().name(),
            exactness: &exactness,
            counts: (self.before, survivors::counts(family)),
            empty: empty(family),
            began: self.began.1,
        };
        let ends = Ends { over: done == Waited::Done, survivors: &left, tracker: t };
        let took_us = (clock::monotonic_ns() - self.began.0) / 1000;
        let made = || Deed {
            released: Some(done == Waited::Done),
            took_us,
            ..frame.deed(self.signals, self.all, &ends)
        };
        kept::keep(&Receipts::default(), tell, made);
    }
}
