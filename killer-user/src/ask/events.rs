//! Which events somebody wants to see.

use std::time::Duration;

use super::Word;
use killer_common::watch::{ALL, EXEC, EXIT, FORK, Glob, SIGNAL, STATE};

/// What is to be shown, and for how long.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Services, or globs; none: all.
    pub names: Vec<String>,
    /// `FORK` and its like.
    pub kinds: u32,
    /// Of processes of this user only.
    pub uid: Option<u32>,
    /// Of processes only whose program's path matches.
    pub exe: Option<Box<Glob>>,
    /// How long.
    pub span: Option<Duration>,
    /// Until nobody is left of these services.
    pub until_empty: bool,
}

/// In whose names events are told, beside our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// The Elastic Common Schema.
    Ecs,
    /// OCSF's process activity.
    Ocsf,
}

impl Word for Schema {
    const ALL: &[(Self, &'static str)] = &[(Self::Ecs, "ecs"), (Self::Ocsf, "ocsf")];
}

/// Kinds of events, by their words with commas. The error is text.
pub fn kinds(words: &str) -> Result<u32, String> {
    let one = |w: &str| match w.trim() {
        "fork" => Ok(FORK),
        "exec" => Ok(EXEC),
        "exit" => Ok(EXIT),
        "signal" => Ok(SIGNAL),
        "state" => Ok(STATE),
        "all" => Ok(ALL | STATE),
        _ => Err(format!("no kind of events is called '{}'", w.escape_debug())),
    };
    words.split(',').try_fold(0, |all, w| Ok(all | one(w)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        assert_eq!(kinds("fork, exit"), Ok(FORK | EXIT));
        assert_eq!(kinds("all"), Ok(FORK | EXEC | EXIT | SIGNAL | STATE));
        for bad in ["", "forks", "fork,,exit", "\u{1b}[2J"] {
            let e = kinds(bad).unwrap_err();
            assert!(!e.contains('\u{1b}'), "{e}");
        }
    }
}
