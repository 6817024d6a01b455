//! `--retry`: signals and waits as start-stop-daemon(8) writes them, `TERM/30/KILL/5`.

use super::signal;
use super::span::{self, Span};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends this signal.
    Signal(i32),
    /// Waits so long at most.
    Wait(Span),
}

/// Steps, and the one from which on they are repeated for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// In their order.
    pub steps: Vec<Step>,
    /// Where the repetition begins.
    pub again: Option<usize>,
}

/// What `--retry` is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retry {
    /// One number: the usual steps with this wait.
    Wait(Span),
    /// A whole schedule.
    Steps(Schedule),
}

const KILL: i32 = 9;

impl Schedule {
    /// A signal, a wait, SIGKILL, a wait.
    pub fn usual(signal: i32, wait: Span) -> Self {
        let mut steps = vec![Step::Signal(signal), Step::Wait(wait)];
        if signal != KILL {
            steps.extend([Step::Signal(KILL), Step::Wait(wait)]);
        }
        Self { steps, again: None }
    }

    /// True when this signal is the first step.
    pub fn begins_with(&self, signal: i32) -> bool {
        self.steps.first() == Some(&Step::Signal(signal))
    }

    /// True when this signal is one of its steps.
    pub fn has(&self, signal: i32) -> bool {
        self.steps.contains(&Step::Signal(signal))
    }

    /// The steps, without end where some are repeated.
    pub fn walk(&self) -> impl Iterator<Item = Step> + '_ {
        let from = self.again.unwrap_or(self.steps.len());
        self.steps.iter().chain(self.steps[from..].iter().cycle()).copied()
    }
}

/// Parses it. The error is text.
pub fn parse(text: &str) -> Result<Retry, String> {
    let bad = |why: &str| Err(format!("bad schedule '{}': {why}", text.escape_debug()));
    let mut steps = Vec::new();
    let mut again = None;
    let words: Vec<&str> = text.split('/').collect();
    for word in &words {
        if *word == "forever" {
            if again.replace(steps.len()).is_some() {
                return bad("'forever' stands twice");
            }
            continue;
        }
        // A bare number is a wait; a signal has a name, or a dash.
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        let step = if number {
            span::parse(word).map(Step::Wait)
        } else {
            signal::parse(word.strip_prefix('-').unwrap_or(word)).map(Step::Signal)
        };
        match step {
            Ok(Step::Signal(0)) => return bad("signal 0 stops nobody"),
            Ok(s) => steps.push(s),
            Err(e) => return bad(&e),
        }
    }
    if let ([Step::Wait(span)], None) = (&steps[..], again) {
        return Ok(Retry::Wait(*span));
    }
    if again == Some(steps.len()) {
        again = Some(0);
    }
    let from = again.unwrap_or(0);
    if !matches!(steps.first(), Some(Step::Signal(_))) {
        return bad("it begins with a signal");
    }
    let waits = |s: &Step| matches!(s, Step::Wait(w) if w.limit().is_none_or(|d| !d.is_zero()));
    if again.is_some() && !steps[from..].iter().any(waits) {
        return bad("what is repeated has no wait");
    }
    Ok(Retry::Steps(Schedule { steps, again }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn s(n: u64) -> Step {
        Step::Wait(Span::Finite(Duration::from_secs(n)))
    }

    #[test]
    fn schedules() {
        let p = |t| match parse(t).unwrap() {
            Retry::Wait(span) => Schedule::usual(15, span),
            Retry::Steps(s) => s,
        };
        assert_eq!(p("TERM/30/KILL/5").steps, [Step::Signal(15), s(30), Step::Signal(9), s(5)]);
        assert_eq!(p("7").steps, [Step::Signal(15), s(7), Step::Signal(9), s(7)]);
        assert_eq!(p("-INT/500ms/-9").steps[2], Step::Signal(9));
        assert_eq!(p("-TERM/5").steps, [Step::Signal(15), s(5)]);
        assert_eq!(p("-15/5/-SIGKILL/1").steps, p("TERM/5/KILL/1").steps);
        assert_eq!(p("TERM/1/forever/KILL/1").again, Some(2));
        assert_eq!(p("TERM/1/KILL/1/forever").again, Some(0));
        let steps: Vec<Step> = p("TERM/1/forever/KILL/2").walk().take(6).collect();
        assert_eq!(steps, [Step::Signal(15), s(1), Step::Signal(9), s(2), Step::Signal(9), s(2)]);
        assert_eq!(p("TERM/1").walk().count(), 2);
        for bad in [
            "",
            "/",
            "30/TERM",
            "TERM//KILL",
            "NOPE/3",
            "TERM/forever",
            "TERM/0/forever",
            "0/",
            "forever",
            "TERM/1/forever/forever",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(t in "[A-Z0-9/a-z-]{0,24}") {
            if let Ok(Retry::Steps(s)) = parse(&t) {
                prop_assert!(s.walk().take(50).count() >= 1);
            }
        }
    }
}
