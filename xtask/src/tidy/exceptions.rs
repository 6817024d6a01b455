//! What is allowed although a check finds it, each with its reason. An entry that nothing needs is an error.

use super::{Check, Finding};

/// One thing that may stay as it is.
#[derive(Debug)]
pub struct Exception {
    /// For which check.
    pub check: Check,
    /// [`Finding::key`].
    pub key: &'static str,
    /// Why it may.
    pub why: &'static str,
}

const fn may(check: Check, key: &'static str, why: &'static str) -> Exception {
    Exception { check, key, why }
}

/// All of them.
pub const TABLE: &[Exception] = &[
    may(Check::Citation, "killer-user/src/selftest/stage.rs: docs/UIDS-GIDS.md", "A document of systemd's."),
    may(
        Check::Citation,
        "killer-user/src/sys/entropy.rs: library/std/src/sys/random/linux.rs",
        "A file of Rust's own library.",
    ),
    may(Check::Twice, "Cargo.toml: cpufeatures", "sha2 0.10 needs the older one, proptest the newer one."),
    may(
        Check::Twice,
        "Cargo.toml: getrandom",
        "stateright (models) needs the older one, tempfile (tests) the newer one.",
    ),
    may(Check::Twice, "Cargo.toml: hashbrown", "stateright (models) needs the older one, aya the newer one."),
    may(Check::Twice, "Cargo.toml: rand", "stateright (models) needs the older one, proptest the newer one."),
    may(Check::Twice, "Cargo.toml: rand_core", "As rand."),
    may(
        Check::Twice,
        "Cargo.toml: syn",
        "aya's num_enum needs the older one, other derives the newer one; none is in the program.",
    ),
    may(
        Check::Twice,
        "killer-ebpf/Cargo.toml: syn",
        "aya's macros need the older one, serde's the newer one; none is in the object.",
    ),
    may(
        Check::LongFunction,
        "models/src/hooks.rs:run",
        "One arm for each step of the hooks, in the order of the code that it mirrors.",
    ),
    may(
        Check::LongFunction,
        "models/src/repair/steps.rs:walk",
        "One arm for each step of the walk, in the order of the code that it mirrors.",
    ),
    may(
        Check::LongFunction,
        "killer-ebpf/src/fork.rs:born",
        "The verifier takes these lines as they are; each change of them has to be tried in every guest.",
    ),
    may(
        Check::LongFunction,
        "killer-ebpf/src/legacy/hooks.rs:born",
        "The verifier takes these lines as they are; each change of them has to be tried in every guest.",
    ),
    may(
        Check::LongFunction,
        "killer-ebpf/src/walk.rs:on_walk",
        "The verifier takes these lines as they are; each change of them has to be tried in every guest.",
    ),
];

/// What remains of `found` after `table`, and the entries of `table` that are needed no more.
pub fn apply(found: Vec<Finding>, table: &[Exception]) -> Vec<String> {
    let is = |e: &Exception, f: &Finding| e.check == f.check && e.key == f.key;
    let unneeded = table.iter().filter(|e| !found.iter().any(|f| is(e, f)));
    let mut wrong: Vec<_> = unneeded
        .map(|e| format!("xtask/src/tidy/exceptions.rs: {:?} {} is not needed any more", e.check, e.key))
        .collect();
    let without = table.iter().filter(|e| e.why.is_empty());
    wrong.extend(without.map(|e| format!("xtask/src/tidy/exceptions.rs: {} has no reason", e.key)));
    let left = found.iter().filter(|f| !table.iter().any(|e| is(e, f)));
    wrong.extend(left.map(|f| f.text.clone()));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(key: &str) -> Finding {
        Finding { check: Check::LongFile, key: key.into(), text: format!("{key} is long") }
    }

    #[test]
    fn an_exception_is_for_what_it_names() {
        let table = [may(Check::LongFile, "a.rs", "one table")];
        assert!(apply(vec![finding("a.rs")], &table).is_empty());
        assert_eq!(apply(vec![finding("a.rs"), finding("b.rs")], &table), ["b.rs is long"]);
    }

    #[test]
    fn an_entry_without_use_or_reason_is_wrong() {
        let wrong = apply(vec![], &[may(Check::LongFile, "a.rs", "one table")]);
        assert!(wrong.len() == 1 && wrong[0].ends_with("LongFile a.rs is not needed any more"), "{wrong:?}");
        let wrong = apply(vec![finding("a.rs")], &[may(Check::LongFile, "a.rs", "")]);
        assert!(wrong.len() == 1 && wrong[0].ends_with("a.rs has no reason"), "{wrong:?}");
    }
}
