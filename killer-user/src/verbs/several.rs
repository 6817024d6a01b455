//! One verb on one or several services: documents, the ending, and, when one of several failed, what became of each.

use serde::Serialize;

use super::screen::Screen;
use crate::ending::Ending;
use crate::host::names::Resolved;
use crate::host::{Failure, Tell};
use crate::lookup::Root;
use crate::report::{Style, message};
use crate::tier::Tracker;

/// What was done to one service.
pub struct Did<M> {
    /// How it ended.
    pub ending: Ending,
    /// What it is now, in a word: `ended`, `frozen`.
    pub word: &'static str,
    /// The document.
    pub model: M,
}

/// What became of each, in the order in which it is told.
#[derive(Debug, Default)]
struct Tally {
    groups: Vec<(&'static str, Vec<String>)>,
    worst: Ending,
}

impl Tally {
    /// `good`: what it is now when it went well.
    fn note(&mut self, ending: Ending, good: &'static str, name: &str) {
        self.worst = self.worst.worse(ending);
        let word = if ending.is_good() { good } else { ending.became() };
        match self.groups.iter_mut().find(|(w, _)| *w == word) {
            Some((_, names)) => names.push(name.to_owned()),
            None => self.groups.push((word, vec![name.to_owned()])),
        }
    }

    /// `(failed: b; unknown: c, ended: a)`: what went wrong, and what is done.
    fn words(&self, good: &[&str]) -> (String, Option<String>) {
        let some = |with: bool| {
            let groups = self.groups.iter().filter(|(w, _)| good.contains(w) == with);
            groups.map(|(w, n)| format!("{w}: {}", n.join(", "))).collect::<Vec<_>>().join("; ")
        };
        (some(false), Some(some(true)).filter(|s| !s.is_empty()))
    }
}

/// Does `one` to each service. For people a document is shown when it is done, as JSON they are one document: one service's own,
/// else a list. The call ends as the worst of them. `acts`: what became of each is said when one failed; a verb that only
/// looks has shown it. `one` gets what keeps the service, too.
pub fn each<M: Serialize>(
    t: &Tracker,
    found: &Resolved,
    screen: &Screen,
    acts: bool,
    mut one: impl FnMut(&Tracker, &Root) -> Result<Did<M>, Failure>,
    human: impl Fn(&M, &Style) -> String,
) -> Ending {
    found.warnings.iter().for_each(|w| screen.message(w));
    if screen.verbose() > 0 {
        found.remarks.iter().for_each(|r| screen.message(r));
    }
    let mut tally = Tally::default();
    let mut good = Vec::new();
    let mut documents = Vec::new();
    let mut stopped = false;
    for (keeper, root) in found.each(t) {
        if stopped {
            tally.note(Ending::Done, "not reached", &root.name);
            continue;
        }
        match one(keeper, root) {
            Ok(d) => {
                stopped = matches!(d.ending, Ending::Interrupted(_));
                if d.ending.is_good() && !good.contains(&d.word) {
                    good.push(d.word);
                }
                tally.note(d.ending, d.word, &root.name);
                if found.several && screen.is_json() {
                    documents.push(d.model);
                } else {
                    screen.data(&d.model, |s| human(&d.model, s));
                }
            }
            Err(f) => tally.note(screen.fail(&f), "", &root.name),
        }
    }
    if let Some(f) = &found.unknown {
        let ending = screen.fail(f);
        found.nobody.iter().for_each(|n| tally.note(ending, "", n));
    }
    if !documents.is_empty() {
        screen.data(&documents, |_| String::new());
    }
    if acts && !tally.worst.is_good() && found.each(t).count() + found.nobody.len() > 1 {
        let (wrong, done) = tally.words(&good);
        screen.message(&message::render(&wrong, done.as_deref(), None));
    }
    tally.worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_each() {
        let mut t = Tally::default();
        for (ending, word, name) in [
            (Ending::Done, "ended", "a"),
            (Ending::Failed, "", "b"),
            (Ending::Done, "ended", "c"),
            (Ending::Unknown, "", "d"),
            (Ending::Done, "not reached", "e"),
        ] {
            t.note(ending, word, name);
        }
        assert_eq!(t.worst, Ending::Failed);
        let (wrong, done) = t.words(&["ended"]);
        assert_eq!(wrong, "failed: b; unknown: d; not reached: e");
        assert_eq!(done.as_deref(), Some("ended: a, c"));
    }
}
