//! The words before clap sees them: which one is the verb, which ones are signals like `-KILL`.

use std::ffi::OsString;

use super::entry::RESERVED;
use super::options::{self, Row, Takes};
use crate::ask::{signal, value};

/// True when each letter is an option without a value.
fn all_flags(cluster: &str) -> bool {
    let flag = |c| options::short(c).is_some_and(|r| matches!(r.takes, Takes::Nothing(_) | Takes::Prints));
    cluster.chars().all(flag)
}

/// True when the next word is this one's value: `--signal KILL`, `-s KILL`, `-vo json`.
fn takes_next(word: &str) -> bool {
    let takes_word = |row: &Row| matches!(row.takes, Takes::Word(_));
    if word.starts_with("--") {
        return options::long(word).is_some_and(takes_word);
    }
    let letters = word.strip_prefix('-').and_then(|w| Some((w, w.chars().next_back()?)));
    letters.is_some_and(|(w, last)| {
        options::short(last).is_some_and(takes_word) && all_flags(&w[..w.len() - last.len_utf8()])
    })
}

/// Where the verb stands (or a word that is to become one), when the first word that is no option is one.
pub fn verb_at(args: &[OsString], verbs: &[&str]) -> Option<usize> {
    let mut value = false;
    for (at, word) in args.iter().enumerate() {
        let word = word.to_string_lossy();
        if std::mem::take(&mut value) {
            continue;
        }
        if word == "--" {
            return None;
        }
        if word.len() > 1 && word.starts_with('-') {
            value = takes_next(&word);
            continue;
        }
        return (verbs.contains(&&*word) || RESERVED.contains(&&*word)).then_some(at);
    }
    None
}

/// The value that somebody means by `-q VALUE` or `--queue VALUE`, as util-linux and procps have it: here -q is "quiet", and the
/// value would be taken for a service's name.
pub fn queued(args: &[OsString]) -> Option<String> {
    let is_value = |w: &str| value::parse(w).is_ok();
    let mut skip = false;
    for (at, arg) in args.iter().enumerate() {
        let word = arg.to_string_lossy();
        if std::mem::take(&mut skip) {
            continue;
        }
        if word == "--" {
            return None;
        }
        let next = || args.get(at + 1).map(|w| w.to_string_lossy().into_owned()).filter(|w| is_value(w));
        let cluster = word.strip_prefix('-').filter(|w| !w.starts_with('-'));
        let found = match &*word {
            "--queue" => next().or_else(|| Some("INT".to_owned())),
            w if w.starts_with("--queue=") => Some(w["--queue=".len()..].to_owned()),
            _ => match cluster.and_then(|c| c.split_once('q')) {
                // `-q -9` is a signal.
                Some((before, "")) if all_flags(before) => next().filter(|v| !v.starts_with('-')),
                Some((before, after)) if all_flags(before) && is_value(after) => Some(after.to_owned()),
                _ => None,
            },
        };
        if found.is_some() {
            return found;
        }
        skip = takes_next(&word);
    }
    None
}

/// `-l9`, `-lTERM`, `--list=9` as two words: the option takes words, and what is attached to it is one.
pub fn lists_apart(args: Vec<OsString>) -> Vec<OsString> {
    let mut open = true;
    let apart = |word: &str| -> Option<[OsString; 2]> {
        let (option, rest) =
            ["-l", "-L", "--list=", "--table="].iter().find_map(|o| Some((*o, word.strip_prefix(o)?)))?;
        signal::told(rest).ok().map(|_| [option.trim_end_matches('=').into(), rest.into()])
    };
    args.into_iter()
        .flat_map(|arg| {
            open &= arg != "--";
            match arg.to_str().filter(|_| open).and_then(apart) {
                Some(two) => two.to_vec(),
                None => vec![arg],
            }
        })
        .collect()
}

/// The first word that is no option and no option's value.
pub fn first(args: &[OsString]) -> Option<String> {
    let mut value = false;
    let plain = |w: &str| !w.starts_with('-');
    args.iter().map(|w| w.to_string_lossy().into_owned()).take_while(|w| w != "--").find(|w| {
        let is_value = std::mem::replace(&mut value, takes_next(w));
        !is_value && plain(w)
    })
}

/// `-KILL`, `-9`, `-kill`, `-RTMIN+3` before `--` become `--signal=…`.
pub fn shorthands(args: Vec<OsString>) -> impl Iterator<Item = OsString> {
    let mut open = true;
    let mut value = false;
    args.into_iter().map(move |arg| {
        let is_value = std::mem::take(&mut value);
        let Some(word) = arg.to_str().filter(|_| open && !is_value) else { return arg };
        open = word != "--";
        value = takes_next(word);
        match word.strip_prefix('-').filter(|w| is_signal(w)) {
            Some(signal) => format!("--signal={signal}").into(),
            None => arg,
        }
    })
}

/// Capitals and digits are meant as a signal also when there is none of that name (`-NOPE`), small letters only
/// when there is one: `-hup` is a signal, `-vn` and `-sKILL` are options.
pub fn is_signal(word: &str) -> bool {
    match word.as_bytes() {
        [b'0'..=b'9', ..] => true,
        [b'A'..=b'Z', second, ..] => second.is_ascii_alphabetic() && !all_flags(word),
        [b'a'..=b'z', _, ..] => signal::parse(word).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [&str; 3] = ["list", "freeze", "run"];
    use proptest::prelude::*;

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn verbs_are_found_behind_options_and_their_values() {
        for (words, at) in [
            (&["list"][..], Some(0)),
            (&["-v", "list"], Some(1)),
            (&["-o", "json", "list"], Some(2)),
            (&["-ojson", "list"], Some(1)),
            (&["-vo", "json", "list"], Some(2)),
            (&["--color", "never", "list"], Some(2)),
            (&["--color=never", "list"], Some(1)),
            (&["freeze", "cron"], Some(0)),
            (&["-s", "list"], None),
            (&["-ns", "list"], None),
            (&["--whom", "list", "cron"], None),
            (&["cron", "list"], None),
            (&["--", "list"], None),
            (&["-"], None),
            (&[], None),
        ] {
            assert_eq!(verb_at(&os(words), &VERBS), at, "{words:?}");
        }
    }

    #[test]
    fn signals_are_told_from_options() {
        for (word, becomes) in [
            ("-KILL", "--signal=KILL"),
            ("-Kill", "--signal=Kill"),
            ("-kill", "--signal=kill"),
            ("-hup", "--signal=hup"),
            ("-sigterm", "--signal=sigterm"),
            ("-9", "--signal=9"),
            ("-0", "--signal=0"),
            ("-RTMIN+3", "--signal=RTMIN+3"),
            ("-NOPE", "--signal=NOPE"),
            ("-s9", "-s9"),
            ("-sKILL", "-sKILL"),
            ("-vvv", "-vvv"),
            ("-nq", "-nq"),
            ("-L", "-L"),
            ("-Lq", "-Lq"),
            ("-V", "-V"),
            ("-ojson", "-ojson"),
            ("--", "--"),
            ("-", "-"),
            ("kill", "kill"),
        ] {
            assert_eq!(shorthands(os(&[word])).next(), Some(becomes.into()), "{word}");
        }
        let keep = os(&["-s", "-9", "-ns", "-KILL", "--value", "-5", "--", "-9"]);
        assert_eq!(shorthands(keep.clone()).collect::<Vec<_>>(), keep);
    }

    #[test]
    fn queue_values_are_told_from_quiet() {
        for (words, is) in [
            (&["-q", "5", "web"][..], Some("5")),
            (&["-q", "-9", "web"], None),
            (&["--queue", "-5", "web"], Some("-5")),
            (&["-q", "0x10", "web"], Some("0x10")),
            (&["-vq", "5", "web"], Some("5")),
            (&["-q5", "web"], Some("5")),
            (&["-s", "RTMIN", "-q", "7", "web"], Some("7")),
            (&["--queue", "5", "web"], Some("5")),
            (&["--queue=5", "web"], Some("5")),
            (&["--queue", "web"], Some("INT")),
            (&["-q", "web"], None),
            (&["-q", "-KILL", "web"], None),
            (&["-q", "-s", "9", "web"], None),
            (&["-s", "-q", "5"], None),
            (&["-q", "--", "5"], None),
            (&["web", "5", "-q"], None),
        ] {
            assert_eq!(queued(&os(words)).as_deref(), is, "{words:?}");
        }
    }

    #[test]
    fn what_is_attached_to_l_is_a_word() {
        for (word, is) in [
            ("-l9", &["-l", "9"][..]),
            ("-lTERM", &["-l", "TERM"]),
            ("-L137", &["-L", "137"]),
            ("--list=KILL", &["--list", "KILL"]),
            ("-lv", &["-lv"]),
            ("-l", &["-l"]),
            ("--list", &["--list"]),
        ] {
            assert_eq!(lists_apart(os(&[word])), os(is), "{word}");
        }
        assert_eq!(lists_apart(os(&["--", "-l9"])), os(&["--", "-l9"]));
    }

    proptest! {
        #[test]
        fn every_word_stays_in_its_place(words in prop::collection::vec("[-a-zA-Z0-9+=]{0,8}", 0..6)) {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            if let Some(at) = verb_at(&args, &VERBS) {
                prop_assert!(!words[at].starts_with('-'));
            }
            prop_assert_eq!(shorthands(args).count(), words.len());
        }
    }
}
