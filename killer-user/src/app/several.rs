//! One verb on one or several services: documents, the exit code, and, when one of several failed, what became of each.

use serde::Serialize;

use super::Screen;
use super::failure::{Failure, code};
use super::names::Resolved;
use crate::report::{Style, message};
use crate::target::Root;
use crate::tier::Tracker;

/// What was done to one service.
pub struct Did<M> {
    /// Exit code.
    pub code: u8,
    /// What it is now, in a word: `ended`, `frozen`.
    pub word: &'static str,
    /// The document.
    pub model: M,
}

/// What became of each, in the order in which it is told.
#[derive(Debug, Default)]
struct Tally {
    groups: Vec<(&'static str, Vec<String>)>,
    first: u8,
}

impl Tally {
    fn note(&mut self, code: u8, word: &'static str, name: &str) {
        if self.first == 0 {
            self.first = code;
        }
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

/// In a word what an exit code other than 0 means for a service.
fn bad(code: u8) -> &'static str {
    match code {
        code::TIMEOUT => "not done in time",
        code::PARTIAL => "partly done",
        c if c > 128 => "interrupted",
        _ => "failed",
    }
}

/// Does `one` to each service. For people a document is shown when it is done, as JSON they are one document: one service's own,
/// else a list. The exit code is the first failure's. `acts`: what became of each is said when one failed; a verb that only
/// looks has shown it. `one` gets what keeps the service, too.
pub fn each<M: Serialize>(
    t: &Tracker,
    found: &Resolved,
    screen: &Screen,
    acts: bool,
    mut one: impl FnMut(&Tracker, &Root) -> Result<Did<M>, Failure>,
    human: impl Fn(&M, &Style) -> String,
) -> u8 {
    let mut tally = Tally::default();
    let mut good = Vec::new();
    let mut documents = Vec::new();
    let mut stopped = false;
    for (keeper, root) in found.each(t) {
        if stopped {
            tally.note(0, "not reached", &root.name);
            continue;
        }
        match one(keeper, root) {
            Ok(d) => {
                stopped = d.code > 128;
                if d.code == 0 && !good.contains(&d.word) {
                    good.push(d.word);
                }
                tally.note(d.code, if d.code == 0 { d.word } else { bad(d.code) }, &root.name);
                if found.several && screen.is_json() {
                    documents.push(d.model);
                } else {
                    screen.data(&d.model, |s| human(&d.model, s));
                }
            }
            Err(f) => tally.note(screen.fail(&f), "failed", &root.name),
        }
    }
    if let Some(f) = &found.unknown {
        let code = screen.fail(f);
        found.nobody.iter().for_each(|n| tally.note(code, "unknown", n));
    }
    if !documents.is_empty() {
        screen.data(&documents, |_| String::new());
    }
    if acts && tally.first != 0 && found.each(t).count() + found.nobody.len() > 1 {
        let (wrong, done) = tally.words(&good);
        screen.message(&message::render(&wrong, done.as_deref(), None));
    }
    tally.first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_each() {
        let mut t = Tally::default();
        for (code, word, name) in [
            (0, "ended", "a"),
            (1, "failed", "b"),
            (0, "ended", "c"),
            (4, "unknown", "d"),
            (0, "not reached", "e"),
        ] {
            t.note(code, word, name);
        }
        assert_eq!(t.first, 1);
        let (wrong, done) = t.words(&["ended"]);
        assert_eq!(wrong, "failed: b; unknown: d; not reached: e");
        assert_eq!(done.as_deref(), Some("ended: a, c"));
    }
}
