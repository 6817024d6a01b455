//! The listener that a call tells, while it goes on, what people should know.

use std::fmt::Debug;

use super::failure::Failure;
use crate::ending::Ending;
use crate::keep::Held;
use crate::report::message;
use crate::tier::Tracker;

/// Hears what happens while a call goes on: warnings, and what did not go well with one of several services.
pub trait Tell: Debug {
    /// Text of whole lines, in which everything that a member can choose is escaped.
    fn message(&self, text: &str);

    /// True when the progress of a wait is shown.
    fn shows_progress(&self) -> bool {
        false
    }

    /// Shows which service is waited for and how many of it are alive; `None`: nothing is waited for any more.
    fn progress(&self, waiting: Option<(&str, usize)>) {
        let _ = waiting;
    }

    /// Shows how far something is, in a line, in place of the last one.
    fn goes_on(&self, line: &str) {
        let _ = line;
    }

    /// Asks somebody for a yes; the text holds nothing that a terminal obeys. `None`: nobody is there to be asked.
    fn agrees(&self, question: &str) -> Option<bool> {
        let _ = question;
        None
    }

    /// How much more than usual is to be said; from 3 on the log of the eBPF programs.
    fn verbose(&self) -> u8;

    /// Tells a failure; answers its ending.
    fn fail(&self, f: &Failure) -> Ending {
        self.message(&message::render(&f.what, f.why.as_deref(), f.next.as_deref()));
        f.ending
    }

    /// Shows the log of the eBPF programs, where that is asked for, until the value is dropped.
    fn relay<'t>(&self, t: &'t Tracker) -> Option<Box<dyn Held + 't>> {
        if self.verbose() < 3 { None } else { t.hooks()?.relay() }
    }
}

/// Nobody listens. The answers of a call say all that decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Tell for Silent {
    fn message(&self, _: &str) {}

    fn verbose(&self) -> u8 {
        0
    }
}
