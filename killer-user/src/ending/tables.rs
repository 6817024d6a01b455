//! Endings in documents, help, man page and tables.

#[cfg(feature = "schema")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Ending, SIGNALLED};

/// The exit codes: of which endings, in short, in words.
pub(super) const CODES: [(&[Ending], &str, &str); 12] = [
    (
        &[Ending::Done],
        "done",
        "It is done. Where a wait was asked for, the kernel says that the set is empty.",
    ),
    (
        &[Ending::Failed],
        "failure",
        "It failed, nothing matched a -fail form, nobody knows whether that was all of it, or nobody said yes to what lets survivors end.",
    ),
    (&[Ending::Usage], "usage", "The command line is wrong."),
    (&[Ending::Dead], "known but dead", "The service is known, but it has no live process."),
    (&[Ending::Unknown], "no such service", "No service has this name."),
    (&[Ending::NotExact], "not exact", "The set is not exact, and --require-exact was given."),
    (
        &[Ending::Partial],
        "partly or not surely",
        "Some processes were signalled and some could not be, or it is not sure that each was reached exactly once.",
    ),
    (&[Ending::NotPermitted], "not permitted", "The kernel does not permit it to this caller."),
    (
        &[Ending::Survivors],
        "survivors",
        "The wait ended, and processes live on or, with --wait=reaped, are not reaped. Each is named with its reason.",
    ),
    (
        &[Ending::NotStarted, Ending::NotExecutable, Ending::NotFound],
        "",
        "From run and exec: killer failed, CMD is not executable, CMD was not found. Otherwise they exit with CMD's own status.",
    ),
    (&[Ending::Command(0)], "", ""),
    (&[Ending::Interrupted(0)], "interrupted by signal N", "Signal N has interrupted killer."),
];

/// As documents have it: the word, and the exit code beside it.
impl Serialize for Ending {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            outcome: &'static str,
            exit_code: u8,
        }
        Shown { outcome: self.word(), exit_code: self.code() }.serialize(s)
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for Ending {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ending".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut words: Vec<&str> = Ending::ALL.iter().map(|e| e.word()).collect();
        words.sort_unstable();
        words.dedup();
        json_schema!({
            "type": "object",
            "properties": {
                "outcome": {
                    "description": "How it ended, in a word (docs/ENDINGS.md).",
                    "type": "string",
                    "enum": words,
                },
                "exit_code": {
                    "description": "Exit code that this outcome means.",
                    "type": "integer",
                    "format": "uint8",
                    "minimum": 0,
                    "maximum": 255,
                },
            },
            "required": ["outcome", "exit_code"],
        })
    }
}

/// The number of an exit code as tables have it.
pub fn code_number(e: Ending) -> String {
    match e {
        Ending::Command(_) => "CMD's".into(),
        Ending::Interrupted(_) => format!("{SIGNALLED}+N"),
        _ => e.code().to_string(),
    }
}

/// Exit codes and what they mean, for the man page and the table of README.md.
pub fn codes() -> impl Iterator<Item = (String, &'static str)> {
    let rows = CODES.iter().filter(|(_, _, long)| !long.is_empty());
    rows.map(|(of, _, long)| (of.iter().map(|e| code_number(*e)).collect::<Vec<_>>().join(", "), *long))
}

/// Some codes with what they mean, for the help of a verb: "4: No service has this name; ...".
pub fn codes_of(endings: &[Ending]) -> String {
    let one = |e: &Ending| format!("{}: {}", code_number(*e), e.row().2.trim_end_matches('.'));
    endings.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What an option does, with the exit code that it can lead to, for the help of an option.
pub fn with_code(text: &str, e: Ending) -> String {
    format!("{text} (exit {})", code_number(e))
}

/// The codes in short, for the help: two lines.
pub fn codes_short() -> String {
    let rows = CODES.iter().filter(|(_, short, _)| !short.is_empty());
    let all: Vec<String> = rows.map(|(of, short, _)| format!("{} {short}", code_number(of[0]))).collect();
    let (first, second) = all.split_at(6);
    format!("Exit status: {},\n  {}", first.join(", "), second.join(", "))
}

#[cfg(test)]
/// Every ending, for the table of docs/ENDINGS.md.
pub fn endings() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    Ending::ALL.iter().map(|e| (e.word(), code_number(*e), e.row().2))
}
