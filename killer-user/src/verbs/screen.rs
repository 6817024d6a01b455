//! stdout is data, stderr is messages.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::ask::events::Schema;
use crate::cli::{Color, Common, Output};
use crate::ending::Ending;
use crate::host::selftest::Audience;
use crate::host::{Failure, Tell};
use crate::report::model::{self, Trial};
use crate::report::{Style, events, human, json, ktap};
use crate::sys::{interrupt, proc, stdout};

/// Where output goes, and how.
#[derive(Clone, Debug)]
pub struct Screen {
    output: Output,
    style: Style,
    verbose: u8,
    quiet: bool,
    /// Why something could not be written to stdout.
    lost: Arc<OnceLock<String>>,
    /// The reader of stdout has gone.
    gone: Arc<AtomicBool>,
}

impl Screen {
    /// As the options and the environment say.
    pub fn new(c: &Common) -> Self {
        let color = match c.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                    && std::env::var_os("TERM").is_some_and(|t| t != "dumb")
                    && std::io::stdout().is_terminal()
            }
        };
        Self {
            output: c.output,
            style: Style { color, utf8: utf8() },
            verbose: c.verbose,
            quiet: c.quiet,
            lost: Arc::default(),
            gone: Arc::default(),
        }
    }

    /// The chosen format.
    pub fn output(&self) -> Output {
        self.output
    }

    /// How people are shown things.
    pub fn style(&self) -> Style {
        self.style
    }

    /// How many processes of a service are shown, each in a line; `None`: all of them, as `--all` and programs have it.
    pub fn most(&self, all: bool) -> Option<usize> {
        const LINES: usize = 100;
        match self.output {
            _ if self.quiet => Some(0),
            Output::Short if !all => Some(LINES),
            _ => None,
        }
    }

    /// True when stdout is for programs.
    pub fn is_json(&self) -> bool {
        matches!(self.output, Output::Json | Output::JsonPretty)
    }

    /// Prints a model: as JSON, or as `human` renders it.
    pub fn data<T: Serialize>(&self, model: &T, human: impl FnOnce(&Style) -> String) {
        let text = match self.output {
            Output::Json => json(model, false),
            Output::JsonPretty => json(model, true),
            Output::Short | Output::Dot | Output::Mermaid | Output::Svg | Output::Ktap => human(&self.style),
        };
        self.bytes(text.as_bytes());
    }

    /// Prints a line of `watch`; false: nobody reads any more.
    pub fn event(&self, h: &model::Happened, names: Option<Schema>) -> bool {
        match names {
            Some(Schema::Ecs) => self.bytes(json(&events::ecs(h), false).as_bytes()),
            Some(Schema::Ocsf) => self.bytes(json(&events::ocsf(h), false).as_bytes()),
            None => self.data(h, |s| human::happened(h, s)),
        }
        self.lost.get().is_none() && !self.gone.load(Ordering::Relaxed)
    }

    /// Prints to stdout; a reader that has gone is no error. What else fails is told at the end, see [`Screen::end`].
    pub fn bytes(&self, text: &[u8]) {
        if self.quiet || self.lost.get().is_some() {
            return;
        }
        match stdout::print(text) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => self.gone.store(true, Ordering::Relaxed),
            Err(e) => drop(self.lost.set(e.to_string())),
        }
    }

    /// How a call ends that would end so: output that was lost makes a success a failure, and is told.
    pub fn end(&self, ending: Ending) -> Ending {
        let Some(why) = self.lost.get() else { return ending };
        self.fail(&Failure::new(Ending::Failed, "stdout could not be written").why(why.clone()));
        if ending.is_good() { Ending::Failed } else { ending }
    }

    /// Prints the document of a verb that has nothing to show people.
    pub fn document<T: Serialize>(&self, model: impl FnOnce() -> T) {
        if self.is_json() {
            self.data(&model(), |_| String::new());
        }
    }
}

impl Tell for Screen {
    fn message(&self, text: &str) {
        if !self.quiet {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    fn progress(&self, waiting: Option<(&str, usize)>) {
        if !self.shows_progress() {
            return;
        }
        let _ = match waiting {
            Some((name, alive)) => write!(std::io::stderr(), "\r\x1b[Kkiller: {name}: {alive} alive"),
            None => write!(std::io::stderr(), "\r\x1b[K"),
        };
    }

    fn goes_on(&self, line: &str) {
        if self.shows_progress() {
            let _ = write!(std::io::stderr(), "\r\x1b[Kkiller: {line}");
        }
    }

    fn agrees(&self, question: &str) -> Option<bool> {
        let terminals = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.quiet || !terminals {
            return None;
        }
        let _ = write!(std::io::stderr(), "killer: {question} [y/N] ");
        let mut answer = String::new();
        // A signal that came ends it, and is no yes.
        while !proc::readable(std::io::stdin(), std::time::Duration::from_millis(200)) {
            if interrupt::came().is_some() {
                return Some(false);
            }
        }
        let _ = std::io::stdin().read_line(&mut answer);
        Some(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn verbose(&self) -> u8 {
        self.verbose
    }
}

/// `selftest` is shown as it goes; as JSON all of it is one document, at the end.
impl Audience for Screen {
    fn begins(&self, m: &model::Selftest) {
        match self.output() {
            Output::Json | Output::JsonPretty => {}
            Output::Ktap => self.bytes(ktap::begins(m).as_bytes()),
            _ => self.data(m, |s| human::selftest_begins(m, s)),
        }
    }

    fn trial(&self, number: usize, t: &Trial) {
        match self.output() {
            Output::Json | Output::JsonPretty => {}
            Output::Ktap => self.bytes(ktap::trial(number, t).as_bytes()),
            _ => self.data(t, |s| human::trial(t, s)),
        }
    }
}

/// The locale's character set, as setlocale(3) would choose it.
fn utf8() -> bool {
    let set =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|k| std::env::var(k).ok().filter(|v| !v.is_empty()));
    set.is_some_and(|v| {
        let v = v.to_ascii_lowercase();
        v.contains("utf-8") || v.contains("utf8")
    })
}
