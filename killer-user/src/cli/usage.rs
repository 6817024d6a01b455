//! Usage errors: clap's many lines → what, and the next step.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::ask::whom;
use crate::ending::Ending;
use crate::report::message;

/// The end of a call that needs no kernel: help, version, lists, usage errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// How it ends.
    pub ending: Ending,
    /// For stdout.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
}

impl Exit {
    /// Something to print.
    pub fn print(stdout: String) -> Self {
        Self { ending: Ending::Done, stdout, stderr: String::new() }
    }
}

/// What is wrong with a command line that clap has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What.
    pub what: String,
    /// The next step.
    pub next: String,
}

impl Wrong {
    /// With these words.
    pub fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }

    /// A format of some verbs, in another place.
    pub fn format(verbs: &[&str]) -> Self {
        let each: Vec<String> = verbs.iter().map(|v| format!("'killer {v}'")).collect();
        Self::new(
            format!("this format is for {} only", each.join(" and ")),
            "use -o short, json or json-pretty",
        )
    }

    /// Nothing to do anything to.
    pub fn no_service() -> Self {
        Self::new("no service named", "killer [-s SIG] NAME..., or 'killer --help'")
    }
}

impl From<Wrong> for Exit {
    fn from(w: Wrong) -> Self {
        usage(&w.what, &w.next)
    }
}

/// A usage error with a message.
pub fn usage(what: &str, next: &str) -> Exit {
    Exit { ending: Ending::Usage, stdout: String::new(), stderr: message::render(what, None, Some(next)) }
}

/// The first line of a message, without the program's name.
pub fn what(e: &Exit) -> &str {
    e.stderr.lines().next().unwrap_or_default().trim_start_matches("killer: ")
}

/// What clap said about the main form or about `verb`; `early`: options stood before the verb.
pub fn from_clap(e: &clap::Error, verb: Option<&str>, early: bool) -> Exit {
    let text = e.render().to_string();
    let argument = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(s)) => s.as_str(),
        _ => "",
    };
    let help = verb.map_or("see 'killer --help'".to_owned(), |v| format!("see 'killer {v} --help'"));
    let (what, tip) = first_lines(&text);
    match (e.kind(), verb) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion, _) => Exit::print(text),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand, Some(v)) => {
            usage(&format!("'killer {v}' lacks what it is to do"), &help)
        }
        (ErrorKind::ValueValidation, _) => {
            let why = e.source().map_or(what, ToString::to_string);
            let option = argument.split([' ', '[']).next().filter(|o| o.starts_with("--"));
            let what = match option {
                Some(o) if why.starts_with("bad ") => format!("{why} for {o}"),
                _ => why,
            };
            usage(&what, &hint(argument).unwrap_or(help))
        }
        (ErrorKind::UnknownArgument, Some(v)) if early && argument.starts_with('-') => {
            usage(&what, &format!("'{v}' is a verb; a service of this name: killer [OPTIONS] -- {v}"))
        }
        (ErrorKind::UnknownArgument, Some("list")) if !argument.starts_with('-') => {
            usage(&what, &format!("'killer status {}' shows one service or, with globs, several", argument))
        }
        (ErrorKind::UnknownArgument, Some(v @ ("run" | "exec"))) if !argument.starts_with('-') => {
            usage(&what, &format!("'--' goes before CMD: killer {v} --name NAME -- CMD..."))
        }
        (ErrorKind::UnknownArgument, Some(v @ "rule")) if argument.starts_with('-') => usage(
            &what,
            &tip.unwrap_or_else(|| {
                format!("{help}; before an exec's own options goes '--': killer {v} test -- PATH ARG...")
            }),
        ),
        _ => usage(&what, &tip.unwrap_or(help)),
    }
}

/// The error in one line, and clap's tip.
fn first_lines(text: &str) -> (String, Option<String>) {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let mut what = lines.next().unwrap_or("bad usage").trim_start_matches("error: ").to_owned();
    let mut tip = None;
    for l in lines.take_while(|l| !l.starts_with("Usage:")) {
        if let Some(t) = l.strip_prefix("tip: ") {
            // "to pass '-x' as a value, use '-- -x'": nobody wants a service called -x.
            tip = tip.or_else(|| (!t.starts_with("to pass ")).then(|| t.to_owned()));
        } else if what.ends_with(':') || l.starts_with("[possible values") || l.starts_with(['<', '-']) {
            // "the following required arguments were not provided:" goes on in the next lines.
            what = format!("{what} {l}");
        }
    }
    (what, tip)
}

/// What would be right, for the arguments with a grammar of their own.
fn hint(argument: &str) -> Option<String> {
    let starts = |names: &[&str]| names.iter().any(|n| argument.starts_with(n));
    Some(if starts(&["--wait"]) {
        "for example 5s, '1min 30s', infinity, a bare number is seconds; or reaped, reaped:5s".into()
    } else if starts(&["--timeout"]) {
        "for example 5s, '1min 30s', infinity; a bare number is seconds".into()
    } else if starts(&["--whom"]) {
        format!("one of: {}", whom::WORDS)
    } else if starts(&["--max-share"]) {
        "0% to 100% of the host's live processes, such as 20% or 0.5%".into()
    } else if starts(&["--metrics"]) {
        "a port of this host alone (9101), ADDRESS:PORT with a numeric address, or unix:/PATH".into()
    } else if starts(&["--max"]) {
        "a number of processes, such as 20".into()
    } else if starts(&["--value"]) {
        "32 bits: decimal, 0x, 0o or 0b".into()
    } else if starts(&["--pid", "<PID"]) {
        "a PID is 1 to 4194304; PID:INODE is that very process".into()
    } else if starts(&["--until"]) {
        "one of: empty, main-gone, size<=N".into()
    } else if starts(&["--name", "<NAME", "[NAME", "<OLD", "<NEW"]) {
        "a name has 1 to 64 bytes and no control characters; a new one no * ? [ and no dash at the beginning"
            .into()
    } else {
        return None;
    })
}
