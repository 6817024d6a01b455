//! What is shown below the list: lines of text, in which one can be chosen.

use crate::host::Failure;
use crate::host::top::{self, Target};
use crate::report::{Style, human, message};

/// So many processes of a tree are shown.
const MOST: usize = 200;

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// The process that it shows.
    pub process: Option<(u32, Option<u64>)>,
}

impl Line {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), process: None }
    }
}

/// Lines, one of which is chosen.
#[derive(Clone, Debug)]
pub struct Pane {
    /// What it is.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// The chosen one.
    pub at: usize,
    /// The first one that is on the screen.
    pub first: usize,
    /// The service whose tree it is: it is read again at each look.
    pub of: Option<Target>,
}

/// How it is used.
const HELP: &str = "\
arrows, j, k       choose a service, or a process of the tree
PgUp PgDn Home End the same, faster
Enter, t           the tree of the service: who forked whom, the dead included
w                  why: the forks that led to the chosen process (or to the main process)
f                  freeze the service, or let it go on; asks before
s                  signal every process of the service; asks which signal, and again before it is sent
o                  another order: name, CPU, RSS, processes, forks
^L                 draw everything again
^Z                 suspend
Esc, q             back; from the list, the end

FORK/s   births a second, by the kernel's count
EXEC/s   execs a second of the processes that live; of those that ended meanwhile none is known
CPU%     percent of one processor; what ended is in it when a member has waited for it
RSS      resident memory; what processes share is counted for each of them
~        an estimate: of a thousand processes at most it is looked what they do, and only of those on the screen
-        not known, or not yet
EXACT    no: something may have made the set incomplete; the line below the list says what

Everything that is done from here is done as the commands do it: 'killer -s SIG NAME', 'killer freeze NAME',
'killer thaw NAME', with their refusals, receipts and lines in the log.";

impl Pane {
    fn new(title: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { title: title.into(), lines, at: 0, first: 0, of: None }
    }

    /// How it is used.
    pub fn help() -> Self {
        Self::new("keys and columns", HELP.lines().map(Line::plain).collect())
    }

    /// Text.
    pub fn text(title: &str, text: &str) -> Self {
        Self::new(title, text.lines().map(Line::plain).collect())
    }

    /// The tree of a service.
    pub fn tree(target: &Target, style: &Style) -> Result<Self, Failure> {
        let t = top::tree(target, MOST)?;
        let line = |l: human::TreeLine| Line { text: l.text, process: l.process };
        let mut lines: Vec<Line> = human::tree_lines(&t, style).into_iter().map(line).collect();
        if t.more > 0 {
            let n = human::count(t.more, "more process", "more processes");
            lines.push(Line::plain(&format!("and {n}: 'killer tree --all {}'", target.name)));
        }
        if lines.is_empty() {
            lines.push(Line::plain("no live process"));
        }
        Ok(Self { of: Some(target.clone()), ..Self::new(format!("tree of {}", target.name), lines) })
    }

    /// The forks that led to a process.
    pub fn why(process: (u32, Option<u64>), style: &Style) -> Result<Self, Failure> {
        let text = human::why(&top::why(process)?, style);
        Ok(Self::text(&format!("why {}", process.0), &text))
    }

    /// Reads a tree again; the chosen process stays chosen.
    pub fn renew(&mut self, style: &Style) {
        let Some(target) = &self.of else { return };
        let chosen = self.lines.get(self.at).and_then(|l| l.process);
        let new = Self::tree(target, style).unwrap_or_else(|f| {
            let text = message::render(&f.what, f.why.as_deref(), f.next.as_deref());
            Self { of: self.of.clone(), ..Self::text(&self.title, &text) }
        });
        let same = new.lines.iter().position(|l| chosen.is_some() && l.process == chosen);
        self.lines = new.lines;
        self.at = same.unwrap_or(self.at).min(self.lines.len().saturating_sub(1));
    }

    /// Chooses another line.
    pub fn step(&mut self, by: i64) {
        let last = self.lines.len().saturating_sub(1) as i64;
        self.at = (self.at as i64).saturating_add(by).clamp(0, last) as usize;
    }
}

/// The first line that is shown so that the chosen one is among so many.
pub fn scrolled(first: usize, at: usize, high: usize) -> usize {
    first.min(at).max((at + 1).saturating_sub(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_line_is_on_the_screen() {
        for (first, at, high, is) in [(0, 0, 5, 0), (0, 5, 5, 1), (3, 1, 5, 1), (3, 4, 5, 3), (9, 9, 0, 10)] {
            assert_eq!(scrolled(first, at, high), is, "{first} {at} {high}");
        }
        let mut p = Pane::help();
        p.step(i64::MAX);
        assert_eq!(p.at, p.lines.len() - 1);
        p.step(i64::MIN + 1);
        assert_eq!(p.at, 0);
        assert!(HELP.is_ascii());
    }
}
