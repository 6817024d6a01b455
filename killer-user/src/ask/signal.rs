//! Signals by name and number. RTMIN is 34 and RTMAX 64 (glibc's) in every build: musl says 35.

use nix::sys::signal::Signal;

/// First real-time signal.
pub const RTMIN: i32 = 34;
/// Last signal.
pub const RTMAX: i32 = 64;

/// Parses a signal: any case, with or without `SIG`, a number, `RTMIN`, `RTMIN+n`, `RTMAX-n`, `0`. The error is text.
pub fn parse(word: &str) -> Result<i32, String> {
    number(word).ok_or_else(|| format!("unknown signal '{}'", word.escape_debug()))
}

fn number(word: &str) -> Option<i32> {
    if word.is_empty() || !word.is_ascii() {
        return None;
    }
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok().filter(|n| (0..=RTMAX).contains(n) && !(32..RTMIN).contains(n));
    }
    let up = word.to_ascii_uppercase();
    let bare = up.strip_prefix("SIG").unwrap_or(&up);
    let offset = |rest: &str, sign: char| -> Option<i32> {
        if rest.is_empty() {
            return Some(0);
        }
        let digits = rest.strip_prefix(sign)?;
        (!digits.is_empty() && digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    if let Some(rest) = bare.strip_prefix("RTMIN") {
        return offset(rest, '+').map(|n| RTMIN + n).filter(|&n| n <= RTMAX);
    }
    if let Some(rest) = bare.strip_prefix("RTMAX") {
        return offset(rest, '-').map(|n| RTMAX - n).filter(|&n| n >= RTMIN);
    }
    let alias = match bare {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        b => b,
    };
    Signal::iterator().find(|s| s.as_str().strip_prefix("SIG") == Some(alias)).map(|s| s as i32)
}

/// `SIGKILL`, `SIGRTMIN+3`; `0` for the probe.
pub fn name(n: i32) -> String {
    match n {
        0 => "0".into(),
        RTMIN => "SIGRTMIN".into(),
        RTMAX => "SIGRTMAX".into(),
        n if n > RTMIN => format!("SIGRTMIN+{}", n - RTMIN),
        n => Signal::try_from(n).map_or_else(|_| format!("SIG{n}"), |s| s.as_str().to_owned()),
    }
}

fn numbers() -> impl Iterator<Item = i32> {
    (1..=31).chain(RTMIN..=RTMAX)
}

/// Names, one a line (`--signal=help`, `-l`).
pub fn list() -> String {
    numbers().map(|n| name(n) + "\n").collect()
}

/// Names without `SIG`, and of the real-time signals the first and the last, for completions.
pub fn plain() -> impl Iterator<Item = &'static str> {
    Signal::iterator().map(|s| s.as_str().trim_start_matches("SIG")).chain(["RTMIN", "RTMAX"])
}

/// What kill(1) answers to `-l WORD`: the name of a number or of a shell's exit status (137), the number of a name.
pub fn told(word: &str) -> Result<String, String> {
    let bad = || format!("unknown signal '{}'", word.escape_debug());
    let bare = |n: i32| name(n).trim_start_matches("SIG").to_owned();
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        return parse(word).map(|n| n.to_string());
    }
    let n: i32 = word.parse().map_err(|_| bad())?;
    let n = if n > 128 { n - 128 } else { n };
    number(&n.to_string()).filter(|n| *n != 0 || word == "0").map(bare).ok_or_else(bad)
}

/// Numbers and names in columns (`--signal=list`, `-L`).
pub fn table() -> String {
    let all: Vec<String> = numbers().map(|n| format!("{n:>2} {:<12}", name(n))).collect();
    let lines: Vec<String> = all.chunks(5).map(|c| c.join(" ").trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// Names in one line, without `SIG`, for error messages.
pub fn words() -> String {
    let v: Vec<String> = (1..=31).map(|n| name(n).trim_start_matches("SIG").to_owned()).collect();
    v.join(" ") + " RTMIN..RTMAX"
}

/// False for 0 and for signals that end no process that has said nothing about them: they stop it, let it go on, or do
/// nothing (`signal(7)`).
pub fn may_end(signal: i32) -> bool {
    use libc::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};
    ![0, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH].contains(&signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_numbers() {
        for (w, n) in [
            ("KILL", 9),
            ("kill", 9),
            ("SIGKILL", 9),
            ("sigTerm", 15),
            ("9", 9),
            ("0", 0),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("RTMAX", 64),
            ("64", 64),
            ("IOT", 6),
            ("CLD", 17),
            ("POLL", 29),
        ] {
            assert_eq!(parse(w), Ok(n), "{w}");
        }
        for w in [
            "", "32", "33", "65", "-1", "FOO", "RTMIN+31", "RTMAX-31", "RTMIN-1", "SIG", "9x", "RTMIN+", "1é",
        ] {
            assert!(parse(w).is_err(), "{w}");
        }
    }

    #[test]
    fn told_as_kill_1_tells() {
        for (word, is) in [
            ("9", "KILL"),
            ("137", "KILL"),
            ("KILL", "9"),
            ("sigterm", "15"),
            ("143", "TERM"),
            ("34", "RTMIN"),
            ("RTMIN+3", "37"),
            ("165", "RTMIN+3"),
            ("0", "0"),
            ("192", "RTMAX"),
        ] {
            assert_eq!(told(word).as_deref(), Ok(is), "{word}");
        }
        for bad in ["", "NOPE", "32", "65", "128", "160", "193", "99999999999", "-9"] {
            assert!(told(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_name_is_its_number() {
        for n in numbers() {
            assert_eq!(parse(&name(n)), Ok(n));
        }
        assert_eq!(list().lines().count(), 62);
    }

    /// The kernel's numbers, not this library's (asm-generic/signal.h, the same on x86 and arm64).
    #[test]
    fn numbers_are_linux() {
        let names = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN \
                     TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
        for (i, name) in names.split(' ').enumerate() {
            assert_eq!(parse(name), Ok(i as i32 + 1), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(s in ".{0,12}") {
            if let Ok(n) = parse(&s) {
                prop_assert!((0..=RTMAX).contains(&n) && n != 32 && n != 33);
                prop_assert_eq!(parse(&name(n)), Ok(n));
            }
        }

        #[test]
        fn case_and_prefix_mean_nothing(n in 0i32..=RTMAX, upper in any::<u16>(), prefix in any::<bool>()) {
            prop_assume!(n != 32 && n != 33);
            let bare = name(n);
            let bare = if prefix || n == 0 { &bare[..] } else { bare.trim_start_matches("SIG") };
            let mixed: String = bare
                .chars()
                .enumerate()
                .map(|(i, c)| if upper >> (i % 16) & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            prop_assert_eq!(parse(&mixed), Ok(n), "{}", mixed);
            prop_assert_eq!(parse(&n.to_string()), Ok(n));
        }

        #[test]
        fn offsets_from_both_ends(k in 0i32..200) {
            let inside = (0..=RTMAX - RTMIN).contains(&k);
            prop_assert_eq!(parse(&format!("RTMIN+{k}")).ok(), inside.then_some(RTMIN + k));
            prop_assert_eq!(parse(&format!("SIGRTMAX-{k}")).ok(), inside.then_some(RTMAX - k));
            let wrong = [format!("RTMIN-{k}"), format!("RTMAX+{k}")];
            prop_assert!(wrong.iter().all(|w| parse(w).is_err()));
        }

        #[test]
        fn other_numbers_are_none(n in any::<i64>()) {
            prop_assert_eq!(parse(&n.to_string()).is_ok(), (0..=31).contains(&n) || (34..=64).contains(&n));
        }
    }
}
