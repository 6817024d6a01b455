//! Circles among the files of killer-user: files that can only be understood together.

use std::collections::{BTreeSet, VecDeque};

use anyhow::Result;

use super::exceptions::Exception;
use super::modules::Modules;
use super::{Check, Finding, Sources};

const PLACE: &str = "killer-user/src";

/// A shortest circle of each group of files that need each other. An exception names an arrow, `FROM -> TO`, or all of
/// one file, `FROM -> *`: the circles are looked for without them, and it is needed as long as one of them closes one.
pub fn check(sources: &Sources, exceptions: &[Exception]) -> Result<Vec<Finding>> {
    let modules = Modules::read(sources, PLACE)?;
    let edges = modules.edges().into_iter().map(|(a, b)| (short(a), short(b))).collect();
    let allowed = exceptions.iter().filter(|e| e.check == Check::Circle);
    Ok(circles(edges, &allowed.filter_map(|e| e.key.split_once(" -> ")).collect::<Vec<_>>()))
}

fn short(path: &str) -> &str {
    path.strip_prefix(PLACE).map_or(path, |p| p.trim_start_matches('/'))
}

type Edges<'a> = BTreeSet<(&'a str, &'a str)>;

fn circles(mut edges: Edges<'_>, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let arrow = |(a, b): (&str, &str)| format!("{a} -> {b}");
    let is = |(a, b): (&str, &str), edge: &(&str, &str)| edge.0 == a && (edge.1 == b || b == "*");
    let all = edges.clone();
    edges.retain(|e| !allowed.iter().any(|a| is(*a, e)));
    for exception in allowed {
        // One at a time, so that none hides behind another.
        let mut closes = all.iter().filter(|e| is(*exception, e));
        if closes.any(|(from, to)| way(&edges, to, from).is_some()) {
            found.push(Finding { check: Check::Circle, key: arrow(*exception), text: arrow(*exception) });
        }
    }
    while let Some(circle) = shortest(&edges) {
        let last = (circle[circle.len() - 1], circle[0]);
        let text = format!("a circle in {PLACE}: {} -> {}", circle.join(" -> "), circle[0]);
        found.push(Finding { check: Check::Circle, key: arrow(last), text });
        edges.retain(|(a, b)| !(circle.contains(a) && circle.contains(b)));
    }
    found
}

fn shortest<'a>(edges: &Edges<'a>) -> Option<Vec<&'a str>> {
    edges.iter().filter_map(|(a, b)| way(edges, b, a)).min_by_key(Vec::len)
}

/// The shortest way from one file to another.
fn way<'a>(edges: &Edges<'a>, from: &str, to: &str) -> Option<Vec<&'a str>> {
    let start = edges.iter().find(|(a, _)| *a == from)?.0;
    let mut open = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::from([start]);
    while let Some(way) = open.pop_front() {
        let at = way[way.len() - 1];
        if at == to {
            return Some(way);
        }
        for (_, next) in edges.range((at, "")..).take_while(|(a, _)| *a == at) {
            if seen.insert(next) {
                open.push_back([&way[..], &[next]].concat());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: (&str, &str) = ("killer-user/src/lib.rs", "mod a; mod b;");

    fn found(a: &str, b: &str) -> Vec<String> {
        let files = [LIB, ("killer-user/src/a.rs", a), ("killer-user/src/b/mod.rs", b)];
        check(&Sources::of(&files), &[]).unwrap().into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn a_circle_is_shown() {
        let circle = ["a circle in killer-user/src: b/mod.rs -> a.rs -> b/mod.rs"];
        assert_eq!(found("use crate::b::B; pub struct A;", "use crate::a::A; pub struct B;"), circle);
        assert_eq!(found("fn a() { crate::b::f() }", "fn f() { say!(1, super::a::g()) }"), circle);
        assert!(found("use crate::b::B; pub struct A;", "pub struct B;").is_empty());
    }

    #[test]
    fn what_is_only_shown_or_for_tests_is_no_arrow() {
        let shown = "pub use crate::a::A; pub struct B;";
        assert!(found("use crate::b::B; pub struct A;", shown).is_empty());
        let tests = "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }";
        assert!(found("use crate::b::B; pub struct A;", tests).is_empty());
    }

    #[test]
    fn a_name_that_is_shown_leads_home() {
        let files = [
            LIB,
            ("killer-user/src/a.rs", "use crate::b::C; pub struct A;"),
            ("killer-user/src/b/mod.rs", "mod c; pub use c::C;"),
            ("killer-user/src/b/c.rs", "pub struct C(crate::a::A);"),
        ];
        let found = check(&Sources::of(&files), &[]).unwrap();
        assert_eq!(found[0].text, "a circle in killer-user/src: b/c.rs -> a.rs -> b/c.rs");
    }

    #[test]
    fn an_exception_is_needed_while_it_closes_a_circle() {
        let edges = || BTreeSet::from([("a", "b"), ("b", "a"), ("b", "c")]);
        let keys = |allowed: &[_]| circles(edges(), allowed).into_iter().map(|f| f.key).collect::<Vec<_>>();
        assert_eq!(keys(&[("b", "a")]), ["b -> a"]);
        assert_eq!(keys(&[("b", "*")]), ["b -> *"]);
        assert_eq!(keys(&[("b", "a"), ("b", "c")]), ["b -> a"], "the second one closes none");
    }
}
