//! The limits, which stand in `xtask/guard.toml`, and how figures are held against them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run::root;

/// Percent that a figure may be over its limit.
pub const SLACK: u64 = 5;
/// A figure that is so many percent below its limit no longer has one that guards anything.
const LOOSE: u64 = 20;

/// Figures by name.
pub type Figures = BTreeMap<String, u64>;

/// Of one kind, by what they are about: a tier, or a program.
pub type Kind = BTreeMap<String, Figures>;

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of files, which are the same on every machine of an architecture.
    pub bytes: Kind,
    /// What depends on the kernel, by its series and architecture: `6.18 x86_64`.
    pub on: BTreeMap<String, BTreeMap<String, Kind>>,
}

/// Where they stand.
pub fn path() -> PathBuf {
    root().join("xtask/guard.toml")
}

impl Limits {
    /// Those of the checkout; none where there is no file yet.
    pub fn read() -> Result<Limits> {
        match std::fs::read_to_string(path()) {
            Ok(text) => toml::from_str(&text).with_context(|| path().display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Limits::default()),
            Err(error) => Err(error).with_context(|| path().display().to_string()),
        }
    }

    /// The file that says the same.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# What may not grow: written by `cargo xtask guard --write`, read by `cargo xtask guard`. A figure may be 5 % over its limit.\n",
        );
        let mut table = |head: String, figures: &Figures| {
            let _ = writeln!(text, "\n[{head}]");
            for (name, value) in figures {
                let _ = writeln!(text, "{} = {value}", quoted(name));
            }
        };
        for (what, figures) in &self.bytes {
            table(format!("bytes.{}", quoted(what)), figures);
        }
        for (kernel, kinds) in &self.on {
            for (kind, whats) in kinds {
                for (what, figures) in whats {
                    table(format!("on.{}.{}.{}", quoted(kernel), quoted(kind), quoted(what)), figures);
                }
            }
        }
        text
    }
}

/// As a key of TOML; none of ours has a quote or a backslash in it.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// What is wrong with some figures, and what is worth knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Too high, without a limit, or not there.
    pub wrong: Vec<String>,
    /// Far below their limits.
    pub loose: Vec<String>,
}

/// Holds figures of one kind against their limits, one and all: a limit without a figure guards nothing.
pub fn judge(limits: &Kind, measured: &Kind) -> Verdict {
    let mut verdict = Verdict::default();
    let whats: BTreeSet<&String> = limits.keys().chain(measured.keys()).collect();
    let none = Figures::new();
    for what in whats {
        let (limits, measured) = (limits.get(what).unwrap_or(&none), measured.get(what).unwrap_or(&none));
        for name in limits.keys().chain(measured.keys()).collect::<BTreeSet<_>>() {
            match (limits.get(name), measured.get(name)) {
                (Some(limit), Some(is)) if *is > limit + limit * SLACK / 100 => {
                    verdict.wrong.push(format!("{what}, {name}: {is}, and the limit is {limit}"));
                }
                (Some(limit), Some(is)) if *is < limit - limit * LOOSE / 100 => {
                    verdict.loose.push(format!("{what}, {name}: {is}, far below its limit of {limit}"));
                }
                (Some(limit), None) => {
                    verdict.wrong.push(format!("{what}, {name}: not there, and the limit is {limit}"));
                }
                (None, Some(is)) => verdict.wrong.push(format!("{what}, {name}: {is}, and it has no limit")),
                _ => {}
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::{Kind, Limits, judge};

    fn kind(figures: &[(&str, u64)]) -> Kind {
        let figures = figures.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Kind::from([("typed".to_owned(), figures)])
    }

    #[test]
    fn five_percent_and_no_more() {
        let limits = kind(&[("on_exit", 1000)]);
        for (is, wrong, loose) in [(1050, 0, 0), (1051, 1, 0), (800, 0, 0), (799, 0, 1)] {
            let verdict = judge(&limits, &kind(&[("on_exit", is)]));
            assert_eq!((verdict.wrong.len(), verdict.loose.len()), (wrong, loose), "{is}: {verdict:?}");
        }
        // Less than one more makes five percent.
        assert_eq!(judge(&kind(&[("list", 19)]), &kind(&[("list", 20)])).wrong.len(), 1);
    }

    #[test]
    fn every_figure_has_a_limit_and_every_limit_a_figure() {
        let both = judge(&kind(&[("on_exit", 10), ("gone", 5)]), &kind(&[("on_exit", 10), ("new", 1)]));
        let wrong = ["typed, gone: not there, and the limit is 5", "typed, new: 1, and it has no limit"];
        assert_eq!(both.wrong, wrong);
        assert_eq!(judge(&kind(&[("on_exit", 10)]), &Kind::new()).wrong.len(), 1);
        assert_eq!(judge(&Kind::new(), &kind(&[("on_exit", 10)])).wrong.len(), 1);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut limits = Limits { bytes: kind(&[("modern.bpf.o", 10)]), ..Limits::default() };
        let kinds = [("calls".to_owned(), kind(&[("-s 0 NAME", 3)]))];
        limits.on.insert("6.18 x86_64".into(), kinds.into());
        assert_eq!(toml::from_str::<Limits>(&limits.text()).expect("TOML"), limits);
    }

    #[test]
    fn those_of_the_checkout_are_as_they_are_written() {
        let text = std::fs::read_to_string(super::path()).expect("xtask/guard.toml");
        assert_eq!(Limits::read().expect("limits").text(), text);
    }
}
