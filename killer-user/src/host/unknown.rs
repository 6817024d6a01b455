//! The failures for names that nobody has, for services that are gone meanwhile, and for sets that are not exact.

use super::failure::Failure;
use super::{certainty, elsewhere, rulebook, unseen};
use crate::ask::name;
use crate::ending::Ending;
use crate::lookup::{Root, registry};
use crate::report::model::Exactness;
use crate::tier::{Paths, Tracker};

/// The error for a name that nobody has.
pub fn unknown(t: &Tracker, word: &str) -> Failure {
    if let Err(f) = certainty::sound(t) {
        return f;
    }
    if let Some(f) = unseen::lost().err().or_else(|| unseen::elsewhere(word)) {
        return f;
    }
    if let Some(f) = rulebook::not_running(Some(t), word) {
        return f;
    }
    if let Some(why) = t.passed_by() {
        return Failure::new(Ending::NotPermitted, format!("no service '{word}' of this user"))
            .why(format!("whether the host tracks one cannot be asked: {why}"))
            .next("run it as root");
    }
    let mut known: Vec<String> = registry::all(t).into_iter().map(|r| r.name).collect();
    let (others, unseen) = elsewhere::names(t);
    known.extend(others);
    if let Some(unseen) = unseen.first() {
        return Failure::new(Ending::Unknown, format!("no such service '{word}' as far as can be seen"))
            .why(format!("some cannot be looked at: {unseen}"))
            .next("run it as root, where they were started");
    }
    let mut f = Failure::new(Ending::Unknown, format!("no such service '{word}'"));
    f = match known.len() {
        0 => f.why(nothing_tracked()),
        n if n > 12 => f.why(format!("tracked: {} and {} more", known[..12].join(", "), n - 12)),
        _ => f.why(format!("tracked: {}", known.join(", "))),
    };
    match name::suggest(word, known.iter().map(String::as_str)) {
        Some(s) => f.next(format!("did you mean '{s}'?")),
        None => f.next(format!("see 'killer list'; 'killer run --name {word} -- CMD' starts one")),
    }
}

/// The error for a name while no tracker is loaded.
pub fn unknown_untracked(word: &str) -> Failure {
    if let Some(f) = unseen::lost().err().or_else(|| unseen::elsewhere(word)) {
        return f;
    }
    if let Some(f) = rulebook::not_running(None, word) {
        return f;
    }
    Failure::new(Ending::Unknown, format!("no such service '{word}'"))
        .why(nothing_tracked())
        .next(format!("'killer run --name {word} -- CMD' starts one"))
}

fn nothing_tracked() -> String {
    let others = Paths::default().others();
    if others.is_empty() {
        return "nothing is tracked".into();
    }
    format!("nothing is tracked by this version; pins of other versions are here: {}", others.join(", "))
}

/// The error for a service that was there when its name was looked up.
pub fn forgotten(root: &Root) -> Failure {
    Failure::new(Ending::Unknown, format!("'{}' has ended and was forgotten meanwhile", root.name))
        .why("nothing was done")
        .next("'killer list' shows what is tracked")
}

/// The error of `--require-exact`.
pub fn not_exact(name: &str, e: &Exactness) -> Failure {
    Failure::new(Ending::NotExact, format!("service '{name}' is not provably exact"))
        .why(crate::report::human::exactness(e))
        .next("without --require-exact it goes on with what is known")
}
