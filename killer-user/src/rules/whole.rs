//! What rules of several files say against each other.

use std::collections::BTreeMap;
use std::path::Path;

use super::place::{Place, Wrong};
use super::rule::{Rule, What};

/// Every conflict among rules, in whichever files they stand.
pub fn check(rules: &[Rule]) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    paths(rules, &mut wrong);
    names(rules, &mut wrong);
    wrong.sort();
    wrong
}

/// A path has one rule of a kind.
fn paths(rules: &[Rule], wrong: &mut Vec<Wrong>) {
    let mut first: BTreeMap<(&str, &Path), &Place> = BTreeMap::new();
    for (rule, path) in rules.iter().flat_map(|r| r.paths().iter().map(move |p| (r, p))) {
        // By its directory a program that is given scripts is a program, too.
        let kind = if matches!(rule.kind(), "argument" | "shell") { "program" } else { rule.kind() };
        match first.get(&(kind, &*path.value)) {
            Some(at) => wrong.push(Wrong::new(
                &path.at,
                format!("'{}' has a rule already at {}", path.value.display(), at.line()),
            )),
            None => drop(first.insert((kind, &path.value), &path.at)),
        }
    }
}

/// A name means one service, and what is said once of a service is said once.
fn names(rules: &[Rule], wrong: &mut Vec<Wrong>) {
    let programs =
        || rules.iter().filter_map(|r| if let What::Program(p) = &r.what { Some((r, p)) } else { None });
    let mut services: BTreeMap<String, &Place> = BTreeMap::new();
    let mut said: BTreeMap<(String, &str), &Place> = BTreeMap::new();
    for (rule, p) in programs() {
        for name in p.files.iter().filter_map(|f| p.name_of(&f.value)) {
            services.entry(name).or_insert(&rule.at);
        }
        let Some(name) = p.files.first().and_then(|f| p.name_of(&f.value)) else { continue };
        let both = [("pidfile", p.pidfile.is_some()), ("stop", !p.stop.is_empty())];
        for field in both.into_iter().filter(|b| b.1).map(|b| b.0) {
            match said.get(&(name.clone(), field)) {
                Some(at) => wrong.push(Wrong::new(
                    &rule.at,
                    format!("'{field}' of '{name}' is said already at {}", at.line()),
                )),
                None => drop(said.insert((name.clone(), field), &rule.at)),
            }
        }
    }
    let mut aliases: BTreeMap<&str, (String, &Place)> = BTreeMap::new();
    for (_, p) in programs() {
        let Some(own) = p.files.first().and_then(|f| p.name_of(&f.value)) else { continue };
        for a in &p.aliases {
            if let Some(at) = services.get(&a.value).filter(|_| a.value != own) {
                wrong.push(Wrong::new(
                    &a.at,
                    format!("'{}' is the name of another service at {}", a.value, at.line()),
                ));
            }
            match aliases.get(&*a.value) {
                Some((other, at)) if *other != own => {
                    wrong.push(Wrong::new(
                        &a.at,
                        format!("'{}' is an alias of '{other}' already at {}", a.value, at.line()),
                    ));
                }
                _ => drop(aliases.insert(&a.value, (own.clone(), &a.at))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::read;

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let rules: Vec<Rule> = files.iter().flat_map(|(f, t)| read(f, t).unwrap()).collect();
        check(&rules).iter().map(Wrong::to_string).collect()
    }

    #[test]
    fn all_conflicts_are_told_with_both_places() {
        let a = "[[rule]]\nscripts = \"/etc/init.d\"\n[[rule]]\nprogram = \"/sbin/a\"\naliases = [\"x\", \"b\"]\npidfile = \"/run/a\"\n";
        let b = "[[rule]]\nscripts = [\"/x\", \"/etc/init.d/\"]\n[[rule]]\nprogram = \"/sbin/b\"\naliases = \"x\"\n\
                 [[rule]]\nargument = \"/sbin/b\"\n[[rule]]\nprogram = \"/opt/a\"\npidfile = \"/run/b\"\n";
        let text = wrong(&[("a", a), ("b", b)]);
        let all = [
            "a:5:17: 'b' is the name of another service at b:3",
            "b:2:18: '/etc/init.d' has a rule already at a:2",
            "b:5:11: 'x' is an alias of 'a' already at a:5",
            "b:7:12: '/sbin/b' has a rule already at b:4",
            "b:8:1: 'pidfile' of 'a' is said already at a:3",
        ];
        assert_eq!(text, all);
        assert!(wrong(&[("a", a)]).is_empty());
    }
}
