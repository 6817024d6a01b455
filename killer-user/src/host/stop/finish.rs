//! The end of a stop: what it came to, judged once, noted and said.

use super::Run;
use crate::ask::Mode;
use crate::ask::{signal, span::Span};
use crate::ending::{Ending, Wait};
use crate::host::certainty::{self, Doubt};
use crate::host::main_process::Main;
use crate::host::{
    deed, journal, kept, last_signal, models, official, pidfiles, stop_words, survivors, unseen, wait,
};
use crate::kill::{SIGKILL, Waited};
use crate::lineage::{Lineage, Members};
use crate::report::{human, message, model};

impl Run<'_> {
    /// The judgement; then everybody is told.
    pub(super) fn finish(mut self, ended: Waited) -> model::Stop {
        let ended = self.cured(ended);
        let family = Lineage::new(self.t, self.root.clone());
        let main = models::main_of(self.t, &self.root);
        let whole = self.whole() && self.spared.is_none();
        self.report.empty = crate::kill::empty(&family);
        if self.report.empty {
            pidfiles::ended(self.t, &self.root);
            unseen::remember(self.t);
        }
        self.report.released = ended == Waited::Done;
        let how = match ended {
            Waited::Done => self.reaped(&family, main),
            Waited::TimedOut => Wait::TimedOut,
            Waited::Interrupted(sig) => Wait::Interrupted(sig),
        };
        let r = &mut self.report;
        if how == Wait::TimedOut {
            let left = survivors::explain(&family, whole, &self.awaited.left());
            r.survivors = survivors::with_cures(self.t, (&r.service, self.asked.unwrap_or(0)), &left, main);
        }
        if !self.s.schedule.begins_with(SIGKILL) {
            r.notes.extend(stop_words::needed_kill(&self.forced));
        }
        let others = family.listed().len() as u64;
        if self.mode == Mode::Process && how == Wait::Over && others > 0 {
            let n = human::count(others, "process lives on", "processes live on");
            r.notes.push(format!("{n}, as --mode=process has it"));
        }
        let officially = r.command.as_ref().is_some_and(|c| c.official && c.exit_code == Some(0));
        if r.empty && !officially {
            r.notes.extend(official::after(&self.way, &self.root.name, self.s.zap));
        }
        let doubt = certainty::after(self.t, &self.root, r.empty);
        let acted = !r.steps.is_empty() || r.command.is_some();
        let withheld = how == Wait::TimedOut && self.withheld;
        r.ending = if withheld { Ending::Withheld } else { Ending::of_stop(how, acted) };
        r.ending = r.ending.unless(doubt.is_some());
        r.exactness = models::exactness(self.t, &self.root);
        r.notes.extend(doubt.as_ref().map(|d| d.why.clone()));
        r.empty &= doubt.is_none();
        if let Wait::Interrupted(sig) = how {
            r.notes.push(format!("interrupted by {}", signal::name(sig)));
        }
        if acted {
            let left = survivors::counts(&family);
            self.report.kept = kept::keep(&self.s.receipts, self.tell, || {
                deed::of_stop(self.t, &self.report, &self.outlived, left)
            });
            self.report.ending =
                kept::judged(&self.s.receipts, self.report.kept.as_ref(), self.report.ending);
        }
        self.tell(doubt);
        self.report
    }

    /// Waits for the parents of the processes that have ended, and says which are not reaped.
    fn reaped(&mut self, family: &Lineage<'_>, main: Option<Main>) -> Wait {
        let mut of = wait::mains(self.t, &self.root);
        of.extend(self.awaited.all().iter().filter(|_| self.s.reaped.is_some()));
        let (how, left) =
            wait::wait_reaped(&of, self.s.reaped.is_some(), self.s.reaped.and_then(Span::limit));
        self.report.unreaped = survivors::with_words(self.t, &survivors::named(family, &left), main);
        match how {
            Waited::Done => Wait::Over,
            Waited::TimedOut => Wait::Unreaped,
            Waited::Interrupted(sig) => Wait::Interrupted(sig),
        }
    }

    /// The record, the journal and the terminal.
    fn tell(&self, doubt: Option<Doubt>) {
        let r = &self.report;
        if let Some(signal) = self.asked {
            let uid = rustix::process::getuid().as_raw();
            let _ = self.t.note_kill(self.root.slot, signal, uid, r.ending.code());
            last_signal::remember(self.t, &self.root, signal, r.ending, &r.steps.iter().collect::<Vec<_>>());
        }
        let Some(f) = stop_words::failure(r, doubt) else {
            for n in r.notes.iter().filter(|n| stop_words::is_said(n)) {
                let what = format!("'{}': {n}", r.service);
                self.tell.message(&message::render(&what, None, None));
            }
            return survivors::say_unreaped(&r.service, &r.unreaped, self.tell);
        };
        journal::judgement(&r.service, &f);
        survivors::complain(&f, &[&r.survivors[..], &r.unreaped].concat(), self.tell);
    }
}
