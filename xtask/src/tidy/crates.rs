//! Crates of others: where they come from, under which licence, and each in one version.
//!
//! `cargo deny` checks the same, but a clean machine would have to build it: beside other builds, on two processors, that had not
//! ended after 15 minutes, and a lint may take three. Advisories are not looked at: they come over the network and change by the
//! day, and a lint says the same today and tomorrow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::unused::WORKSPACES;
use super::{Check, Finding};
use crate::run::{cargo, quiet};

/// The only source besides this checkout, as a lock file names it.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// What a crate that ends up in `killer`, or makes it, may be licensed under.
const LICENCES: [&str; 7] =
    ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "Unicode-3.0", "Unlicense", "Zlib"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// `None`: it lies in this checkout.
    source: Option<String>,
}

/// Of all that is in the lock files and is built on Linux.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for workspace in WORKSPACES {
        let mut ask = cargo();
        ask.args(["metadata", "--format-version=1", "--locked", "--manifest-path", workspace]);
        ask.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
        let known: Metadata = serde_json::from_str(&quiet(ask.current_dir(root))?)?;
        found.extend(of_packages(workspace, &known.packages));
    }
    Ok(found)
}

fn of_packages(workspace: &str, packages: &[Package]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for p in packages {
        let foreign = p.source.as_deref().is_some_and(|s| s != SOURCE);
        let licence = p.license.as_deref().unwrap_or("no licence that it names");
        let wrong = [
            (foreign, Check::Source, p.source.as_deref().unwrap_or_default()),
            (p.source.is_some() && !allowed(licence), Check::Licence, licence),
        ];
        found.extend(wrong.into_iter().filter(|w| w.0).map(|(_, check, what)| {
            let text = format!("{workspace}: {} {} has {what}", p.name, p.version);
            Finding { check, key: format!("{workspace}: {}", p.name), text }
        }));
        versions.entry(&p.name).or_default().insert(&p.version);
    }
    found.extend(versions.into_iter().filter(|(_, v)| v.len() > 1).map(|(name, versions)| {
        let versions = versions.into_iter().collect::<Vec<_>>().join(" and ");
        let text = format!("{workspace}: {name} is built as {versions}");
        Finding { check: Check::Twice, key: format!("{workspace}: {name}"), text }
    }));
    found
}

/// Does an expression of SPDX leave us a choice of which all is allowed? AND binds closer than OR; `/` is an old word for OR. An
/// exception (WITH) only permits more.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut one = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        one |= all_of(words, at);
    }
    one
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut all = term(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= term(words, at);
    }
    all
}

fn term(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let inside = any_of(words, at);
        *at += 1;
        return inside;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    LICENCES.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_expressions() {
        for yes in ["MIT", "GPL-2.0-only OR MIT", "Apache-2.0/MIT", "(MIT OR GPL-3.0-only) AND Unicode-3.0"] {
            assert!(allowed(yes), "{yes}");
        }
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only"));
        for no in ["", "GPL-2.0-only", "MIT AND GPL-2.0-only", "(MIT OR ISC) AND SSPL-1.0", "MIT Apache-2.0"]
        {
            assert!(!allowed(no), "{no}");
        }
    }

    #[test]
    fn what_is_wrong_with_crates() {
        let package = |name: &str, version: &str, license: Option<&str>, source: Option<&str>| Package {
            name: name.into(),
            version: version.into(),
            license: license.map(Into::into),
            source: source.map(Into::into),
        };
        let found = of_packages(
            "Cargo.toml",
            &[
                package("ours", "0.1.0", None, None),
                package("good", "1.0.0", Some("MIT"), Some(SOURCE)),
                package("twice", "1.0.0", Some("MIT"), Some(SOURCE)),
                package("twice", "2.0.0", Some("MIT"), Some(SOURCE)),
                package("fork", "1.0.0", Some("MIT"), Some("git+file:///fork")),
                package("closed", "1.0.0", None, Some(SOURCE)),
            ],
        );
        let found: Vec<_> = found.iter().map(|f| (f.check, f.key.as_str())).collect();
        let wrong = [
            (Check::Source, "Cargo.toml: fork"),
            (Check::Licence, "Cargo.toml: closed"),
            (Check::Twice, "Cargo.toml: twice"),
        ];
        assert_eq!(found, wrong);
    }
}
