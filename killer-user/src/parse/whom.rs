//! `--whom=`: systemd's words, the sets beyond them, and their intersection.

use std::time::Duration;

use super::pidspec;
use super::span::{self, Span};

/// One set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// `all`
    All,
    /// `main`
    Main,
    /// `control`
    Control,
    /// `!SET`: everybody else.
    Not(Box<Set>),
    /// `leaves`
    Leaves,
    /// `orphans`
    Orphans,
    /// `escaped`
    Escaped,
    /// `uid:USER`
    Uid(String),
    /// `exe:GLOB`
    Exe(String),
    /// `born:<30s`
    Born(Duration),
    /// `depth:N`
    Depth(u32),
    /// `subtree:PID`
    Subtree(u32),
}

/// A whole `--whom=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// Intersection of these.
    pub sets: Vec<Set>,
    /// Exit 1 when nothing matched.
    pub fail: bool,
    /// As it was written.
    pub text: String,
}

impl Default for Whom {
    fn default() -> Self {
        Self { sets: vec![Set::All], fail: false, text: "all".into() }
    }
}

impl Whom {
    /// True for systemd's words, whose `--wait` is for the whole service.
    pub fn is_systemd(&self) -> bool {
        matches!(self.sets[..], [Set::All | Set::Main | Set::Control])
    }

    /// True when it asks for the main process, or for everybody but that.
    pub fn names_main(&self) -> bool {
        self.sets.contains(&Set::Main) || self.spares_main()
    }

    /// True when the main process is left out.
    pub fn spares_main(&self) -> bool {
        self.sets.iter().any(|s| matches!(s, Set::Not(s) if **s == Set::Main))
    }
}

/// Parses it. The error is text.
pub fn parse(text: &str) -> Result<Whom, String> {
    let mut fail = false;
    let mut sets = Vec::new();
    for word in text.split(',') {
        let (word, f) = match word.strip_suffix("-fail") {
            Some(w) if matches!(w.strip_prefix('!').unwrap_or(w), "all" | "main" | "control") => (w, true),
            _ => (word, false),
        };
        fail |= f;
        sets.push(one(word)?);
    }
    Ok(Whom { sets, fail, text: text.to_owned() })
}

fn one(word: &str) -> Result<Set, String> {
    let bad = || format!("bad set '{}'", word.escape_debug());
    let plain = |n| if str::bytes(n).all(|b| b.is_ascii_digit()) { Ok(n) } else { Err(bad()) };
    Ok(match word {
        "all" => Set::All,
        "main" => Set::Main,
        "control" => Set::Control,
        "leaves" => Set::Leaves,
        "orphans" => Set::Orphans,
        "escaped" => Set::Escaped,
        w if w.starts_with('!') => match one(&w[1..])? {
            Set::Not(_) => return Err(bad()),
            set => Set::Not(Box::new(set)),
        },
        w => match w.split_once(':').ok_or_else(bad)? {
            ("uid", u) if !u.is_empty() => Set::Uid(u.to_owned()),
            ("exe", g) if !g.is_empty() => Set::Exe(g.to_owned()),
            ("born", s) => match span::parse(s.strip_prefix('<').ok_or_else(bad)?)? {
                Span::Finite(d) => Set::Born(d),
                Span::Infinity => Set::All,
            },
            ("depth", n) => Set::Depth(plain(n)?.parse().map_err(|_| bad())?),
            ("subtree", n) => Set::Subtree(pidspec::pid(n)?),
            _ => return Err(bad()),
        },
    })
}

/// The words, for error messages.
pub const WORDS: &str = "all, main, control (each with -fail), leaves, orphans, escaped, uid:USER, exe:GLOB, born:<SPAN, depth:N, subtree:PID; !SET is everybody else";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets() {
        assert_eq!(parse("all").unwrap(), Whom { text: "all".into(), ..Whom::default() });
        assert!(parse("main-fail").unwrap().fail);
        assert_eq!(parse("leaves,uid:www-data").unwrap().sets, [Set::Leaves, Set::Uid("www-data".into())]);
        assert_eq!(parse("!main").unwrap().sets, [Set::Not(Box::new(Set::Main))]);
        assert!(parse("!main-fail").unwrap().fail);
        assert_eq!(
            parse("!subtree:5,!uid:root").unwrap().sets,
            [Set::Not(Box::new(Set::Subtree(5))), Set::Not(Box::new(Set::Uid("root".into())))]
        );
        assert_eq!(parse("born:<30s").unwrap().sets, [Set::Born(Duration::from_secs(30))]);
        for bad in [
            "",
            "al",
            "leaves-fail",
            "depth:x",
            "depth:+1",
            "depth:",
            "subtree:+1",
            "subtree:0",
            "born:30s",
            "uid:",
            "all,,main",
            "!",
            "!!main",
            "!leaves-fail",
            "! main",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    fn set() -> impl Strategy<Value = (String, Set)> {
        let word = |w: &str, s: Set| Just((w.to_owned(), s)).boxed();
        prop_oneof![
            word("all", Set::All),
            word("main", Set::Main),
            word("control", Set::Control),
            word("!main", Set::Not(Box::new(Set::Main))),
            word("!escaped", Set::Not(Box::new(Set::Escaped))),
            word("leaves", Set::Leaves),
            word("orphans", Set::Orphans),
            word("escaped", Set::Escaped),
            "[^,]{1,12}".prop_map(|u| (format!("uid:{u}"), Set::Uid(u))),
            "[^,]{1,12}".prop_map(|g| (format!("exe:{g}"), Set::Exe(g))),
            any::<u32>().prop_map(|s| (format!("born:<{s}s"), Set::Born(Duration::from_secs(s.into())))),
            any::<u32>().prop_map(|n| (format!("depth:{n}"), Set::Depth(n))),
            (1u32..=1 << 22).prop_map(|p| (format!("subtree:{p}"), Set::Subtree(p))),
        ]
    }

    proptest! {
        #[test]
        fn never_panics(s in ".{0,40}") {
            let _ = parse(&s);
        }

        #[test]
        fn a_comma_intersects(all in prop::collection::vec((set(), any::<bool>()), 1..5)) {
            let systemd = |s: &Set| matches!(s, Set::All | Set::Main | Set::Control);
            let fails = all.iter().any(|((_, s), f)| *f && systemd(s));
            let words: Vec<String> = all
                .iter()
                .map(|((w, s), f)| if *f && systemd(s) { format!("{w}-fail") } else { w.clone() })
                .collect();
            let text = words.join(",");
            let whom = parse(&text).unwrap();
            prop_assert_eq!(whom.sets, all.into_iter().map(|((_, s), _)| s).collect::<Vec<_>>());
            prop_assert_eq!((whom.fail, whom.text), (fails, text));
        }
    }
}
