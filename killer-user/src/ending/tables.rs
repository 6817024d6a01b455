//! Endings in documents, help, man page and tables.

#[cfg(feature = "schema")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::{Ending, SIGNALLED};

/// The exit codes: of which endings, in short, in words.
pub(super) const CODES: [(&[Ending], &str, &str); 12] = [
    (&[Ending::Done], "done", "Done; where waiting was asked for, the kernel says that the set is empty."),
    (
        &[Ending::Failed],
        "failure",
        "Failure, nothing matched with a -fail form, or it is doubtful whether that was all of it.",
    ),
    (&[Ending::Usage], "usage", "Usage."),
    (&[Ending::Dead], "known but dead", "The service is known but has no live process."),
    (&[Ending::Unknown], "no such service", "No such service."),
    (&[Ending::NotExact], "not exact", "Not exact, and --require-exact was given."),
    (
        &[Ending::Partial],
        "partly or not surely",
        "Some were signalled and some could not be, or whether everybody was reached, and once, is not sure.",
    ),
    (&[Ending::NotPermitted], "not permitted", "Not permitted."),
    (
        &[Ending::Survivors],
        "survivors",
        "The wait ended with survivors, or with --wait=reaped: with who is not reaped; each is named with its reason.",
    ),
    (
        &[Ending::NotStarted, Ending::NotExecutable, Ending::NotFound],
        "",
        "Of run and exec: killer failed, CMD is not executable, CMD was not found; else CMD's own status.",
    ),
    (&[Ending::Command(0)], "", ""),
    (&[Ending::Interrupted(0)], "interrupted by signal N", "Interrupted by signal N."),
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
fn number(e: Ending) -> String {
    match e {
        Ending::Command(_) => "CMD's".into(),
        Ending::Interrupted(_) => format!("{SIGNALLED}+N"),
        _ => e.code().to_string(),
    }
}

/// Exit codes and what they mean, for the man page and the table of README.md.
pub fn codes() -> impl Iterator<Item = (String, &'static str)> {
    let rows = CODES.iter().filter(|(_, _, long)| !long.is_empty());
    rows.map(|(of, _, long)| (of.iter().map(|e| number(*e)).collect::<Vec<_>>().join(", "), *long))
}

/// The same in short, for the help: two lines.
pub fn codes_short() -> String {
    let rows = CODES.iter().filter(|(_, short, _)| !short.is_empty());
    let all: Vec<String> = rows.map(|(of, short, _)| format!("{} {short}", number(of[0]))).collect();
    let (first, second) = all.split_at(6);
    format!("Exit status: {},\n  {}", first.join(", "), second.join(", "))
}

#[cfg(test)]
/// Every ending, for the table of docs/ENDINGS.md.
pub fn endings() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    Ending::ALL.iter().map(|e| (e.word(), number(*e), e.row().2))
}
