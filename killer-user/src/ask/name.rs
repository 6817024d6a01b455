//! Service names and globs.

use killer_common::NAME_LEN;

/// Checks a name, without an optional `.service`. The error is text.
pub fn parse(word: &str) -> Result<String, String> {
    let name = match word.strip_suffix(".service") {
        Some("") | None => word,
        Some(n) => n,
    };
    if name.is_empty() {
        return Err("the service name is empty".into());
    }
    if name.len() > NAME_LEN {
        return Err(format!("the service name has {} bytes, at most {NAME_LEN} are possible", name.len()));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    {
        return Err(format!("the service name '{}' has control characters", name.escape_debug()));
    }
    if name.starts_with(VICTIMS) {
        return Err(format!("the service name '{name}' begins as the victims of 'killer selftest' do"));
    }
    Ok(name.to_owned())
}

/// What the first argument of a victim of the self-test begins with: no service is called so.
pub const VICTIMS: &str = "selftest/";

/// Checks the name of a new service: no glob characters either, and no leading dash.
pub fn parse_new(word: &str) -> Result<String, String> {
    let name = parse(word)?;
    if is_glob(&name) {
        return Err(format!("the service name '{name}' has glob characters (* ? [)"));
    }
    if name.starts_with('-') {
        return Err(format!("the service name '{name}' begins with a dash"));
    }
    Ok(name)
}

/// The name of a service that was given none: the program's, and a number.
pub fn made(program: &std::ffi::OsStr, number: u32) -> String {
    let text = program.to_string_lossy();
    let last = text.rsplit('/').find(|w| !w.is_empty()).unwrap_or("cmd");
    let plain =
        |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '@') { c } else { '_' };
    let mut name: String = last.trim_start_matches('-').chars().map(plain).collect();
    let tail = format!("-{number}");
    while name.len() + tail.len() > NAME_LEN {
        name.pop();
    }
    if name.is_empty() { format!("cmd{tail}") } else { name + &tail }
}

/// True when the name is a pattern.
pub fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// fnmatch(3) without flags: `*`, `?`, `[a-z]`, `[!a]`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let p: Vec<char> = pattern.chars().collect();
    let t: Vec<char> = text.chars().collect();
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        let step = match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
                continue;
            }
            Some('?') => Some(i + 1),
            Some('[') => match class(&p, i, t[j]) {
                Some((true, next)) => Some(next),
                Some((false, _)) => None,
                None => (t[j] == '[').then_some(i + 1),
            },
            Some(&c) if c == t[j] => Some(i + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                i = next;
                j += 1;
            }
            (None, Some((s, at))) => {
                i = s + 1;
                j = at + 1;
                star = Some((s, at + 1));
            }
            (None, None) => return false,
        }
    }
    p[i..].iter().all(|&c| c == '*')
}

/// Whether `c` is in the class that begins at `i`, and where the pattern goes on; `None`: no class.
fn class(p: &[char], i: usize, c: char) -> Option<(bool, usize)> {
    let mut k = i + 1;
    let not = matches!(p.get(k), Some('!' | '^'));
    if not {
        k += 1;
    }
    let first = k;
    let mut hit = false;
    loop {
        match *p.get(k)? {
            ']' if k > first => return Some((hit != not, k + 1)),
            a => {
                if p.get(k + 1) == Some(&'-') && p.get(k + 2).is_some_and(|&b| b != ']') {
                    hit |= (a..=p[k + 2]).contains(&c);
                    k += 3;
                } else {
                    hit |= a == c;
                    k += 1;
                }
            }
        }
    }
}

/// The known name that is nearest to what was typed, when it is near.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|k| (distance(word, k), k)).min()?;
    let length = word.chars().count();
    (best.0 <= 1 + length / 4 && best.0 < length).then_some(best.1)
}

/// Edit distance with transpositions of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in d.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in d[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut v = (d[i - 1][j] + 1).min(d[i][j - 1] + 1).min(d[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                v = v.min(d[i - 2][j - 2] + 1);
            }
            d[i][j] = v;
        }
    }
    d[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names() {
        assert_eq!(parse("cron.service"), Ok("cron".into()));
        assert_eq!(parse(".service"), Ok(".service".into()));
        assert!(parse(&"x".repeat(65)).is_err());
        assert!(parse(&"x".repeat(64)).is_ok());
        assert_eq!(parse("feature/a"), Ok("feature/a".into()));
        for bad in ["", "a\nb", "a\x1b[1mb", "a\u{202e}b", "selftest/plain"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse_new("a*").is_err() && parse_new("-a").is_err());
    }

    #[test]
    fn globs() {
        for (p, t) in [
            ("cron*", "cron-x"),
            ("*", ""),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a]x", "bx"),
            ("*a*b", "xxaxxb"),
            ("[]]", "]"),
            ("[a", "[a"),
        ] {
            assert!(matches(p, t), "{p} {t}");
        }
        for (p, t) in [("cron*", "acron"), ("a?c", "ac"), ("[a-c]x", "dx"), ("[!a]x", "ax"), ("", "a")] {
            assert!(!matches(p, t), "{p} {t}");
        }
    }

    #[test]
    fn near() {
        assert_eq!(suggest("crnd", ["cron", "apache2"]), None.or(Some("cron")));
        assert_eq!(suggest("aapche2", ["cron", "apache2"]), Some("apache2"));
        assert_eq!(suggest("zzzz", ["cron", "apache2"]), None);
        assert_eq!(suggest("x", ["y"]), None);
    }

    proptest! {
        #[test]
        fn a_made_name_can_be_given(program in ".{0,90}", number in any::<u32>()) {
            let name = made(program.as_ref(), number);
            prop_assert_eq!(parse_new(&name), Ok(name.clone()), "{}", program);
        }

        #[test]
        fn globs_never_hang(p in "[ab*?\\[\\]!-]{0,16}", t in "[ab\\[\\]-]{0,24}") {
            let _ = matches(&p, &t);
        }

        /// The slow and obvious way, and a pattern without brackets.
        #[test]
        fn globs_as_defined(p in "[ab*?]{0,8}", t in "[abc]{0,10}") {
            fn slow(p: &[u8], t: &[u8]) -> bool {
                match (p.first(), t.first()) {
                    (None, _) => t.is_empty(),
                    (Some(b'*'), _) => slow(&p[1..], t) || !t.is_empty() && slow(p, &t[1..]),
                    (Some(b'?'), Some(_)) => slow(&p[1..], &t[1..]),
                    (Some(a), Some(b)) => a == b && slow(&p[1..], &t[1..]),
                    (Some(_), None) => false,
                }
            }
            prop_assert_eq!(matches(&p, &t), slow(p.as_bytes(), t.as_bytes()));
        }

        #[test]
        fn a_class_is_its_members(c in any::<char>(), a in any::<char>(), b in any::<char>()) {
            let special = |c: char| matches!(c, '!' | '^' | ']' | '-');
            prop_assume!(!special(a) && !special(b));
            let t = c.to_string();
            prop_assert_eq!(matches(&format!("[{a}{b}]"), &t), c == a || c == b);
            prop_assert_eq!(matches(&format!("[!{a}{b}]"), &t), c != a && c != b);
            prop_assert_eq!(matches(&format!("[{a}-{b}]"), &t), (a..=b).contains(&c));
        }

        #[test]
        fn a_name_matches_itself_and_the_star(s in ".{1,20}") {
            if let Ok(n) = parse_new(&s) {
                let (longer, more) = (format!("{n}*"), format!("{n}?"));
                prop_assert!(matches(&n, &n) && matches("*", &n) && matches(&longer, &n) && !matches(&more, &n));
            }
        }

        #[test]
        fn names_are_what_they_were(s in any::<String>()) {
            if let Ok(n) = parse(&s) {
                prop_assert!((1..=NAME_LEN).contains(&n.len()) && !n.chars().any(char::is_control));
                let whole = format!("{n}.service");
                prop_assert!(s == n || s == whole);
                // What was accepted once is what `list` shows, and is accepted again unless it ends in .service still.
                if !n.ends_with(".service") {
                    prop_assert_eq!(parse(&format!("{n}.service")).ok(), Some(n.clone()));
                    prop_assert_eq!(parse(&n), Ok(n));
                }
            }
        }

        #[test]
        fn a_suggestion_is_one_of_the_known(word in ".{0,12}", known in prop::collection::vec(".{0,12}", 0..5)) {
            if let Some(s) = suggest(&word, known.iter().map(String::as_str)) {
                prop_assert!(known.iter().any(|k| k == s));
            }
            prop_assert_eq!(distance(&word, &word), 0);
        }
    }
}
