//! `--whom=`: systemd's words, the sets beyond them, and their intersection.

use std::time::Duration;

use super::pidspec;
use super::span::{self, Span};

/// One set of members. Several are an intersection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// `all`: everything.
    All,
    /// `main`: the main process.
    Main,
    /// `control`: control processes (`exec`, stop commands) themselves; what they forked is not meant.
    Control,
    /// `!SET`: every other member.
    Not(Box<Pick>),
    /// `leaves`: no member is their child.
    Leaves,
    /// `orphans`: their creator is gone.
    Orphans,
    /// `escaped`: they left the session, process group, cgroup or PID namespace that the first process had at the start.
    Escaped,
    /// `leftover`: they belong to an older instance, or to one whose main process has ended.
    Leftover,
    /// `uid:USER`: real uid.
    Uid(u32),
    /// `exe:GLOB`: the path of the program matches.
    Exe(String),
    /// `born:<30s`: born within this span.
    Born(Duration),
    /// `depth:N`: so many forks below the root (0 is the root's own first process).
    Depth(u32),
    /// `subtree:PID`: a process and everything that it forked, in any depth.
    Subtree(u32),
}

/// A whole `--whom=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// Intersection of these.
    pub sets: Vec<Pick>,
    /// Exit 1 when nothing matched.
    pub fail: bool,
    /// As it was written.
    pub text: String,
}

impl Default for Whom {
    fn default() -> Self {
        Self { sets: vec![Pick::All], fail: false, text: "all".into() }
    }
}

impl Whom {
    /// True for systemd's words, whose `--wait` is for the whole service.
    pub fn is_systemd(&self) -> bool {
        matches!(self.sets[..], [Pick::All | Pick::Main | Pick::Control])
    }

    /// True when it asks for the main process, or for everybody but that.
    pub fn names_main(&self) -> bool {
        self.sets.contains(&Pick::Main) || self.spares_main()
    }

    /// True when it asks for left-overs, or for everybody but these.
    pub fn names_leftover(&self) -> bool {
        let is = |s: &Pick| *s == Pick::Leftover;
        self.sets.iter().any(|s| is(s) || matches!(s, Pick::Not(s) if is(s)))
    }

    /// True when the main process is left out.
    pub fn spares_main(&self) -> bool {
        self.sets.iter().any(|s| matches!(s, Pick::Not(s) if **s == Pick::Main))
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

fn one(word: &str) -> Result<Pick, String> {
    let bad = || format!("bad set '{}'", word.escape_debug());
    let plain = |n| if str::bytes(n).all(|b| b.is_ascii_digit()) { Ok(n) } else { Err(bad()) };
    Ok(match word {
        "all" => Pick::All,
        "main" => Pick::Main,
        "control" => Pick::Control,
        "leaves" => Pick::Leaves,
        "orphans" => Pick::Orphans,
        "escaped" => Pick::Escaped,
        "leftover" => Pick::Leftover,
        w if w.starts_with('!') => match one(&w[1..])? {
            Pick::Not(_) => return Err(bad()),
            set => Pick::Not(Box::new(set)),
        },
        w => match w.split_once(':').ok_or_else(bad)? {
            ("uid", u) if !u.is_empty() => Pick::Uid(user(u)?),
            ("exe", g) if !g.is_empty() => Pick::Exe(g.to_owned()),
            ("born", s) => match span::parse(s.strip_prefix('<').ok_or_else(bad)?)? {
                Span::Finite(d) => Pick::Born(d),
                Span::Infinity => Pick::All,
            },
            ("depth", n) => Pick::Depth(plain(n)?.parse().map_err(|_| bad())?),
            ("subtree", n) => Pick::Subtree(pidspec::pid(n)?),
            _ => return Err(bad()),
        },
    })
}

/// A user by name or number. The error is text.
pub fn user(name: &str) -> Result<u32, String> {
    let known = nix::unistd::User::from_name(name).ok().flatten().map(|u| u.uid.as_raw());
    known.or_else(|| name.parse().ok()).ok_or_else(|| format!("{NO_USER} '{}'", name.escape_debug()))
}

/// How the error about an unknown user begins.
pub const NO_USER: &str = "no such user";

/// Those that are one word, for completions.
pub const PLAIN: [&str; 10] = [
    "all",
    "main",
    "control",
    "all-fail",
    "main-fail",
    "control-fail",
    "leaves",
    "orphans",
    "escaped",
    "leftover",
];

/// The words, for error messages.
pub const WORDS: &str = "all, main, control (each with -fail), leaves, orphans, escaped, leftover, uid:USER, exe:GLOB, born:<SPAN, depth:N, subtree:PID; !SET is everybody else";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets() {
        assert!(PLAIN.iter().all(|w| parse(w).is_ok()));
        assert_eq!(parse("all").unwrap(), Whom { text: "all".into(), ..Whom::default() });
        assert!(parse("main-fail").unwrap().fail);
        assert_eq!(parse("leaves,uid:root").unwrap().sets, [Pick::Leaves, Pick::Uid(0)]);
        assert_eq!(parse("!main").unwrap().sets, [Pick::Not(Box::new(Pick::Main))]);
        assert!(parse("!main-fail").unwrap().fail);
        assert_eq!(
            parse("!subtree:5,!uid:root").unwrap().sets,
            [Pick::Not(Box::new(Pick::Subtree(5))), Pick::Not(Box::new(Pick::Uid(0)))]
        );
        assert_eq!(parse("born:<30s").unwrap().sets, [Pick::Born(Duration::from_secs(30))]);
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
            "uid:nobody-has-this-name",
            "all,,main",
            "!",
            "!!main",
            "!leaves-fail",
            "! main",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    fn set() -> impl Strategy<Value = (String, Pick)> {
        let word = |w: &str, s: Pick| Just((w.to_owned(), s)).boxed();
        prop_oneof![
            word("all", Pick::All),
            word("main", Pick::Main),
            word("control", Pick::Control),
            word("!main", Pick::Not(Box::new(Pick::Main))),
            word("!escaped", Pick::Not(Box::new(Pick::Escaped))),
            word("leaves", Pick::Leaves),
            word("orphans", Pick::Orphans),
            word("escaped", Pick::Escaped),
            word("leftover", Pick::Leftover),
            any::<u32>().prop_map(|u| (format!("uid:{u}"), Pick::Uid(u))),
            "[^,]{1,12}".prop_map(|g| (format!("exe:{g}"), Pick::Exe(g))),
            any::<u32>().prop_map(|s| (format!("born:<{s}s"), Pick::Born(Duration::from_secs(s.into())))),
            any::<u32>().prop_map(|n| (format!("depth:{n}"), Pick::Depth(n))),
            (1u32..=1 << 22).prop_map(|p| (format!("subtree:{p}"), Pick::Subtree(p))),
        ]
    }

    proptest! {
        #[test]
        fn never_panics(s in ".{0,40}") {
            let _ = parse(&s);
        }

        #[test]
        fn a_comma_intersects(all in prop::collection::vec((set(), any::<bool>()), 1..5)) {
            let systemd = |s: &Pick| matches!(s, Pick::All | Pick::Main | Pick::Control);
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
