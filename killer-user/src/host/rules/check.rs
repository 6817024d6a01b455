//! What is wrong with rule files, told all at once.

use std::path::Path;

use super::find::{Trouble, by_stat, find};
use super::place;
use super::source::{self, Change};
use crate::ending::Ending;
use crate::host::{Failure, Tell};
use crate::report::human::count;
use crate::report::message;
use crate::report::model::{RuleCheck, RuleError, SCHEMA_VERSION};
use crate::rules::Wrong;

/// Errors that are told one by one.
const MOST: usize = 100;

/// The failure that they are, told by one of them.
pub fn failed(wrong: &[Wrong]) -> Failure {
    let n = count(wrong.len() as u64, "error", "errors");
    let f = Failure::new(Ending::Failed, format!("the rule files have {n}"));
    let first = wrong.first().map(Wrong::to_string).unwrap_or_default();
    f.why(first).next("'killer rule check' tells them all")
}

/// The same of everything that there may be.
pub fn trouble(t: Trouble) -> Failure {
    match t {
        Trouble::Wrong(w) => failed(&w),
        Trouble::Failed(f) => f,
    }
}

/// Tells each of them, a line for one, before the failure.
pub fn told(t: Trouble, done: &str, tell: &dyn Tell) -> Failure {
    let wrong = match t {
        Trouble::Wrong(w) => w,
        Trouble::Failed(f) => return f,
    };
    for w in wrong.iter().take(MOST) {
        tell.message(&message::render(&w.to_string(), None, None));
    }
    let n = count(wrong.len() as u64, "error", "errors");
    let f = Failure::new(Ending::Failed, format!("the rule files have {n}")).why(done);
    match wrong.len() > MOST {
        true => f.next(format!("the first {MOST} are told; mend them and give the command again")),
        false => f,
    }
}

/// Checks all rule files as they are, or as they would be with this one among the administrator's.
pub fn check(file: Option<&Path>) -> Result<RuleCheck, Failure> {
    let top = place::top()?;
    let text = file.map(whole).transpose()?;
    let name = file.and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default();
    if let Some(f) = file.filter(|_| !source::is_rule_file(name)) {
        return Err(Failure::new(Ending::Failed, format!("'{}' is no name of a rule file", f.display()))
            .why("only files that end with .toml are read; letters, digits, and . _ + - @ may stand before that"));
    }
    let change = text.as_deref().map(|text| Change { name, text: Some(text) });
    let wrong = match source::read(&top, change) {
        Err(wrong) => wrong,
        Ok(sources) => match find(&top, &sources, &by_stat) {
            Ok(_) => Vec::new(),
            Err(Trouble::Wrong(w)) => w,
            Err(Trouble::Failed(f)) => return Err(f),
        },
    };
    let of = |w: &Wrong| RuleError {
        file: w.at.file.to_string(),
        line: w.at.line,
        column: w.at.column,
        text: w.why.clone(),
    };
    Ok(RuleCheck {
        version: SCHEMA_VERSION,
        kind: "rule-check",
        good: wrong.is_empty(),
        errors: wrong.iter().map(of).collect(),
    })
}

/// The text of any file that the caller may read: it is not in force.
fn whole(file: &Path) -> Result<String, Failure> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    const MOST_BYTES: u64 = 64 << 10;
    let failed =
        |why: String| Failure::new(Ending::Failed, format!("cannot read {}", file.display())).why(why);
    let f = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(file);
    let f = f.map_err(|e| failed(e.to_string()))?;
    if !f.metadata().is_ok_and(|m| m.is_file()) {
        return Err(failed("it is no regular file".into()));
    }
    let mut text = Vec::new();
    f.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|e| failed(e.to_string()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(failed(format!("it has more than {MOST_BYTES} bytes")));
    }
    String::from_utf8(text)
        .map_err(|e| failed(format!("it is no text: byte {} is not UTF-8", e.utf8_error().valid_up_to())))
}
