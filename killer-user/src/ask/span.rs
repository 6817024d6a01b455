//! Time spans as systemd reads them: `5s`, `1min 30s`, `infinity`; a bare number is seconds.

use std::time::Duration;

/// A span; `None` inside is `infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// So long.
    Finite(Duration),
    /// For ever.
    Infinity,
}

impl Span {
    /// As a limit: `None` is no limit.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::Finite(d) => Some(d),
            Self::Infinity => None,
        }
    }
}

/// Unit → microseconds; of those that fit, the longest is meant.
const UNITS: &[(&[&str], u64)] = &[
    (&["us", "usec", "µs", "μs"], 1),
    (&["ms", "msec"], 1_000),
    (&["s", "sec", "second", "seconds"], SECOND),
    (&["m", "min", "minute", "minutes"], 60 * SECOND),
    (&["h", "hr", "hour", "hours"], 3600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
    (&["w", "week", "weeks"], 604_800 * SECOND),
    (&["M", "month", "months"], 2_629_800 * SECOND),
    (&["y", "year", "years"], 31_557_600 * SECOND),
];

const SECOND: u64 = 1_000_000;

/// systemd's WHITESPACE.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Parses a span. The error is text.
pub fn parse(text: &str) -> Result<Span, String> {
    let span = match text.trim_matches(SPACE) {
        "infinity" => Some(Span::Infinity),
        parts => micros(parts).map(|m| Span::Finite(Duration::from_micros(m))),
    };
    span.ok_or_else(|| format!("bad time span '{}'", text.escape_debug()))
}

/// What `parse_time()` of systemd accepts (src/basic/time-util.c), down to `3.1s.2` and `1 1s`: people have such
/// words in their units.
fn micros(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0u64;
    // USEC_INFINITY itself is no sum.
    let add = |total: u64, more: u64| total.checked_add(more).filter(|&t| t < u64::MAX);
    while !rest.is_empty() {
        let bare = rest.strip_prefix('+').unwrap_or(rest);
        let (whole, after) = digits(bare);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(f) => match digits(f) {
                ("", _) => return None,
                f => f,
            },
            None => ("", after),
        };
        // `.5` has no digits before the point, `+.5` must have them.
        if whole.is_empty() && (fraction.is_empty() || bare.len() < rest.len()) {
            return None;
        }
        let (scale, next) = unit(after.trim_start_matches(SPACE));
        // Without a space or a unit between them two numbers are one that is wrong: `12.34.56`.
        if next.len() == after.len() && !next.is_empty() {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? as u64 };
        total = add(total, whole.checked_mul(scale)?)?;
        let mut tenth = scale / 10;
        for d in fraction.bytes() {
            total = add(total, u64::from(d - b'0') * tenth)?;
            tenth /= 10;
        }
        rest = next.trim_start_matches(SPACE);
    }
    (!text.is_empty()).then_some(total)
}

/// Leading digits, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The unit at the beginning, a second when there is none, and the rest.
fn unit(text: &str) -> (u64, &str) {
    let all = UNITS.iter().flat_map(|(names, scale)| names.iter().map(move |n| (*n, *scale)));
    let found = all.filter(|(name, _)| text.starts_with(name)).max_by_key(|(name, _)| name.len());
    found.map_or((SECOND, text), |(name, scale)| (scale, &text[name.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn us(text: &str) -> Option<u64> {
        match parse(text) {
            Ok(Span::Finite(d)) => Some(d.as_micros() as u64),
            Ok(Span::Infinity) => panic!("{text}"),
            Err(_) => None,
        }
    }

    /// What systemd's own tests accept (src/test/test-time-util.c), and what its code does beside them, with milliseconds.
    const ACCEPTED: [(&str, f64); 31] = [
        ("5", 5000.0),
        ("5s", 5000.0),
        ("5s500ms", 5500.0),
        (" 5s 500ms  ", 5500.0),
        (" 5.5s  ", 5500.0),
        (" 5.5s 0.5ms ", 5500.5),
        (" .22s ", 220.0),
        (" .50y ", 31_557_600_000.0 / 2.0),
        ("2.5", 2500.0),
        (".7", 700.0),
        ("23us", 0.023),
        ("23µs", 0.023),
        ("23μs", 0.023),
        ("+3.1s", 3100.0),
        ("3.1s.2", 3300.0),
        ("3.1 .2", 3300.0),
        ("3.1 sec .2 sec", 3300.0),
        ("3.1 sec 1.2 sec", 4300.0),
        ("12.34 .56", 12_900.0),
        ("1s1", 2000.0),
        ("1 1s", 2000.0),
        ("1s+1s", 2000.0),
        ("1min 30s", 90_000.0),
        ("1min30s", 90_000.0),
        ("1\t\nmin", 60_000.0),
        ("1h", 3_600_000.0),
        ("1M", 2_629_800_000.0),
        ("1m", 60_000.0),
        ("0", 0.0),
        ("00000000000000000000000000001s", 1000.0),
        ("0.00000000000000000000000000001s", 0.0),
    ];
    /// What they refuse.
    const REFUSED: [&str; 40] = [
        "",
        " ",
        " xyz ",
        " . ",
        " 5. ",
        ".s ",
        "-5s ",
        "-0.3s ",
        "-0.0s ",
        "-0.-0s ",
        "0.-0s ",
        "3.-0s ",
        " infinity .7",
        ".3 infinity",
        "3.+1s",
        "3. 1s",
        "3.s",
        "12.34.56",
        "12..34",
        "..1234",
        "1234..",
        "5x",
        "5ss",
        "5 S",
        "s",
        "+",
        "+s",
        "+.5",
        "+ 5",
        "--5",
        "1+1",
        "5s -1",
        "infinitys",
        "Infinity",
        "5\u{a0}s",
        "٥s",
        "11111111111111y",
        "9223372036854775808us",
        "99999999999999999999999y",
        "584542y 1M 1M",
    ];

    #[test]
    fn as_systemd() {
        for (t, ms) in ACCEPTED {
            assert_eq!(us(t), Some((ms * 1000.0) as u64), "{t}");
        }
        for t in REFUSED {
            assert!(parse(t).is_err(), "{t:?}");
        }
        assert_eq!(us("1.1111111111111y"), Some(35_063_999_999_997), "digit by digit, cut");
        assert_eq!(us("9223372036854775807us"), Some(i64::MAX as u64));
        for t in ["infinity", " infinity "] {
            assert_eq!(parse(t), Ok(Span::Infinity));
        }
    }

    proptest! {
        #[test]
        fn never_panics(s in ".{0,24}") {
            let _ = parse(&s);
        }

        #[test]
        fn never_panics_on_what_is_nearly_a_span(s in "[0-9a-zMµ.+ -]{0,24}") {
            let _ = parse(&s);
        }

        #[test]
        fn parts_add_up(parts in prop::collection::vec((0u64..50_000, 0usize..9, 0usize..4, "[ \t]{0,2}"), 1..5)) {
            let mut text = String::new();
            let mut sum = 0;
            for (n, u, word, space) in parts {
                let (names, scale) = UNITS[u];
                text += &format!("{space}{n}{space}{}{space}", names[word % names.len()]);
                sum += n * scale;
            }
            prop_assert_eq!(us(&text), Some(sum), "{}", text);
        }

        #[test]
        fn a_fraction_is_cut_not_rounded(whole in 0u64..1000, fraction in "[0-9]{1,6}") {
            let six: u64 = format!("{fraction:0<6}").parse().unwrap();
            prop_assert_eq!(us(&format!("{whole}.{fraction}")), Some(whole * SECOND + six));
        }
    }
}
