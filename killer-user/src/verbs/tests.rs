//! The command line as a whole: every verb in its place, every mistake with its words.

use std::ffi::OsString;

use proptest::prelude::*;

use super::ALL;
use super::verb::Any;
use crate::ask::Kill;
use crate::cli::{self, Exit, Output, RESERVED, Request, What, completions::completions, foreign, generate};
use crate::ending::Ending;

fn verbs() -> Vec<&'static str> {
    cli::names(ALL)
}

fn p(words: &[&str]) -> Result<Request<Any>, Exit> {
    cli::parse(std::iter::once("killer").chain(words.iter().copied()).map(OsString::from), ALL)
}

/// What a verb's arguments are, in words.
fn verb(words: &[&str]) -> String {
    match p(words).unwrap().what {
        What::Verb(v) => format!("{:?}", v.0),
        w => panic!("{w:?}"),
    }
}

fn kill(words: &[&str]) -> Kill {
    match p(words).unwrap().what {
        What::Kill(k) => k,
        a => panic!("{a:?}"),
    }
}

proptest! {
    /// Any bytes at all: a request or a message, three lines at most, nothing that a terminal obeys, nothing on stdout.
    #[test]
    fn any_words_are_parsed_or_refused(
        words in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12),
            "[-a-z=:<,!*0-9]{0,12}".prop_map(String::into_bytes),
            prop::sample::select(verbs()).prop_map(|w| w.as_bytes().to_vec()),
            prop::sample::select(vec!["-s", "--whom", "--whom=born:<", "--value=", "--wait=", "--", "--name", "-o", "--until", "--pid"])
                .prop_map(|w| w.as_bytes().to_vec()),
        ], 0..6),
    ) {
        use std::os::unix::ffi::OsStringExt;
        let args = std::iter::once(b"killer".to_vec()).chain(words).map(OsString::from_vec);
        if let Err(e) = cli::parse(args, ALL)
            && !e.ending.is_good()
        {
            prop_assert!(e.ending == Ending::Usage && e.stdout.is_empty());
            prop_assert!(e.stderr.lines().count() <= 3, "{}", e.stderr);
            prop_assert!(!e.stderr.chars().any(|c| c.is_control() && c != '\n'), "{:?}", e.stderr);
        }
    }
}

/// Words of the main form, right and wrong, in any order.
fn main_words() -> impl Strategy<Value = Vec<String>> {
    let values = vec![
        "KILL",
        "kill",
        "SIGHUP",
        "9",
        "0",
        "RTMIN+3",
        "-9",
        "help",
        "list",
        "NOPE",
        "",
        "all",
        "main-fail",
        "!main",
        "leaves,orphans",
        "uid:0",
        "everybody",
        "json",
        "dot",
        "short",
        "always",
        "ignore",
        "5",
        "-5",
        "0x10",
        "5s",
        "reaped",
        "reaped:5s",
        "--",
        "-",
    ];
    let options = options()
        .into_iter()
        .chain(["--nope", "--queue", "-vn", "-qs", "-vq", "-x", "--signa"].map(str::to_owned));
    let value = prop::sample::select(values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
    let option = prop::sample::select(options.collect::<Vec<_>>());
    let signal = prop::sample::select(vec![
        "-KILL", "-9", "-hup", "-RTMIN+3", "-NOPE", "-65", "-sigterm", "-stop", "-0",
    ]);
    let name = prop::sample::select(vec![
        "web",
        "web.service",
        "cron*",
        "status",
        "help",
        "5",
        "-9x",
        "a\tb",
        "é",
        "--",
        "",
    ]);
    let word = prop_oneof![
        4 => (option.clone(), value.clone()).prop_map(|(o, v)| vec![o, v]),
        3 => (option.clone(), value.clone()).prop_map(|(o, v)| vec![format!("{o}={v}")]),
        1 => (option.clone(), value.clone()).prop_map(|(o, v)| vec![format!("{o}{v}")]),
        3 => option.prop_map(|o| vec![o]),
        2 => signal.prop_map(|s| vec![s.to_owned()]),
        3 => name.prop_map(|n| vec![n.to_owned()]),
        1 => value.prop_map(|v| vec![v]),
        1 => "[-a-zA-Z0-9=+:]{0,8}".prop_map(|w| vec![w]),
    ];
    prop::collection::vec(word, 0..5).prop_map(|words| words.concat())
}

/// Every option of the main form, by each of its names.
fn options() -> Vec<String> {
    let short = |r: &cli::Row| r.short.map(|s| format!("-{s}"));
    cli::OPTIONS.iter().flat_map(|r| r.long.iter().map(|l| (*l).to_owned()).chain(short(r))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]

    /// Whichever of the two has read it.
    #[test]
    fn what_is_read_without_clap_is_what_clap_reads(words in main_words()) {
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        let all = std::iter::once(OsString::from("killer")).chain(args.clone());
        let of_clap = format!("{:?}", cli::by_clap(args, ALL));
        prop_assert_eq!(format!("{:?}", cli::parse(all, ALL)), of_clap);
    }
}

/// These are what scripts type, and clap is not set up for them.
#[test]
fn plain_lines_need_no_clap() {
    for line in [
        "web",
        "-s KILL web",
        "-s 0 web",
        "-sHUP web",
        "-9 web",
        "-KILL -- web",
        "-hup web db",
        "--signal=TERM --wait web",
        "--signal TERM --wait=5s --whom=main web",
        "-s KILL --who=all cron",
        "web -s KILL -q",
        "-n -v --kill-who all --fail web",
        "-o json --newborns=kill --color never --keep-going web*",
        "--kill-value -5 -s RTMIN web",
        "--zap --include-self --require-exact --wait=reaped web",
        "-- status",
    ] {
        assert!(without_clap(line), "{line}");
    }
    for line in [
        "",
        "list",
        "-v list",
        "help web",
        "-s NOPE web",
        "-65 web",
        "-l",
        "-nv web",
        "-q 5 web",
        "--help",
        "web -x",
        "-o dot web",
    ] {
        assert!(!without_clap(line), "{line}");
    }
}

fn without_clap(line: &str) -> bool {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    cli::plain::read(&args, ALL).is_some()
}

#[test]
fn main_form() {
    let k = kill(&["-s", "KILL", "--who=all", "cron"]);
    assert_eq!((k.signal, k.names.words), (9, vec!["cron".to_owned()]));
    for w in [
        &["-KILL", "cron"][..],
        &["-9", "cron"],
        &["cron", "-SIGKILL"],
        &["-s9", "cron"],
        &["--signal=kill", "cron.service"],
    ] {
        assert_eq!(kill(w).signal, 9, "{w:?}");
    }
    assert_eq!(kill(&["-RTMIN+3", "--value", "-5", "cron"]).value, Some(-5));
    assert_eq!(kill(&["cron"]).signal, 15);
    assert_eq!(kill(&["--", "status"]).names.words, ["status"]);
    assert_eq!(kill(&["--wait", "cron"]).wait.map(|w| w.span), Some(crate::ask::span::Span::Infinity));
    assert!(kill(&["--whom=main", "--fail", "cron"]).whom.fail);
    assert_eq!(kill(&["-hup", "cron"]).signal, 1);
    assert_eq!(kill(&["cron", "-v", "atd"]).names.words, ["cron", "atd"]);
    assert!(kill(&["-n", "-n", "--wait", "--wait=5", "-sHUP", "-s", "KILL", "cron"]).dry_run);
    assert!(kill(&["-nvs", "9", "cron"]).dry_run);
}

/// As names they would be sent SIGTERM, and so would the services after them.
#[test]
fn verbs_to_come_are_no_names() {
    for v in RESERVED {
        let e = p(&[v, "cron"]).unwrap_err();
        assert!(e.ending == Ending::Usage && e.stderr.contains(v), "{e:?}");
        assert_eq!(kill(&["--", v]).names.words, [v]);
    }
    assert_eq!(verb(&["-vo", "json", "list"]), "List");
}

#[test]
fn usage_errors_say_the_next_step() {
    for (words, what, next) in [
        (
            &["--whom=everybody", "x"][..],
            "bad set 'everybody' for --whom",
            "control (each with -fail), leaves",
        ),
        (&["--wait=5parsecs", "x"], "'5parsecs' for --wait", "1min 30s"),
        (&["wait", "x", "--until", "never"], "'never' for --until", "size<=N"),
        (&["adopt", "x", "--pid", "0"], "bad PID '0' for --pid", "PID:INODE"),
        (&["a\tb"], "has control characters", "64 bytes"),
        (&["run", "--name", "x", "true"], "'true'", "-- CMD"),
        (&["run", "--name", "x"], "<CMD>", "killer run --help"),
        (&["run"], "<CMD>", "killer run --help"),
        (&["-KILL", "list"], "'-K'", "-- list"),
        (&["generate"], "killer generate", "killer generate --help"),
        (&["--signl=KILL", "x"], "--signl", "--signal"),
        (&["-x", "x"], "'-x'", "killer --help"),
        (&["-s", "NOPE", "x"], "NOPE", "KILL USR1"),
    ] {
        let e = p(words).unwrap_err();
        let lines: Vec<&str> = e.stderr.lines().collect();
        assert!(lines[0].contains(what) && lines[1].contains(next), "{words:?}: {}", e.stderr);
    }
}

#[test]
fn help_is_short_and_aligned() {
    let help = p(&["--help"]).unwrap_err().stdout;
    assert_eq!(help, p(&["-h"]).unwrap_err().stdout);
    assert!(help.lines().count() < 76 && help.lines().all(|l| l.chars().count() <= 100), "{help}");
    assert!(help.contains("Verbs:\n  run --name") && help.contains("Examples:\n  killer run"), "{help}");
    // A verb, a line.
    let rows = help.lines().skip_while(|l| *l != "Verbs:").skip(1).take_while(|l| !l.is_empty());
    assert_eq!(rows.count(), verbs().len() + 1, "{help}");
    for verb in verbs() {
        let e = p(&[verb, "--help"]).unwrap_err();
        // What is started has more to say than anything else.
        let most = if verb == "run" { 60 } else { 40 };
        assert!(e.ending == Ending::Done && e.stdout.lines().count() < most, "{}", e.stdout);
    }
}

#[test]
fn no_control_character_comes_back() {
    for w in ["a\x1b[31mb", "-\x1b", "--\x1b=\n", "--whom=\x1b", "-s\x1b", "-o\x1b", "--wait=\u{9b}"] {
        let e = p(&[w, "x"]).unwrap_err();
        assert!(
            e.stderr.lines().count() <= 3 && !e.stderr.chars().any(|c| c.is_control() && c != '\n'),
            "{e:?}"
        );
    }
}

#[test]
fn verbs_have_their_arguments() {
    assert_eq!(verb(&["list"]), "List");
    let r = p(&["-o", "json", "status", "cron"]).unwrap();
    assert_eq!(r.common.output, Output::Json);
    let status = verb(&["-o", "json", "status", "cron"]);
    assert!(status.contains("require_exact: false") && status.contains("words: [\"cron\"]"), "{status}");
    let run = verb(&["run", "--name", "x", "--env", "A=b", "--", "sh", "-c", "-9"]);
    assert!(run.contains("argv: [\"sh\", \"-c\", \"-9\"]"), "{run}");
}

#[test]
fn usage_errors() {
    for w in [
        &[][..],
        &["-s", "NOPE", "x"],
        &["-NOPE", "x"],
        &["-65", "x"],
        &["-s", "-1", "x"],
        &["-s"],
        &["--wait=5parsecs", "x"],
        &["--value=1", "x"],
        &["run", "--name", "x"],
        &["run", "--replace", "--", "true"],
        &["adopt", "x"],
        &["adopt", "x", "--pid", "-5"],
        &["wait", "x", "--until", "never"],
        &["-o", "xml", "x"],
        &["-o", "dot", "x"],
        &["--no-such-option", "x"],
        &["rename", "x"],
    ] {
        let e = p(w).unwrap_err();
        assert_eq!(e.ending, Ending::Usage, "{w:?}: {e:?}");
        assert!(
            e.stdout.is_empty() && e.stderr.lines().count() <= 3 && e.stderr.starts_with("killer: "),
            "{w:?}: {e:?}"
        );
    }
    assert_eq!(p(&["--help"]).unwrap_err().ending, Ending::Done);
    assert_eq!(p(&["-l"]).unwrap_err().ending, Ending::Done);
}

#[test]
fn near_and_right_verbs() {
    for (word, names, is) in [
        ("stauts", &["web"][..], Some("killer status web")),
        ("stop", &["web", "db"], Some("killer stop web db")),
        ("lsit", &["web"], Some("killer list")),
        ("frezee", &[], Some("killer freeze")),
        ("STATUS", &["web"], Some("killer status web")),
        ("forgte", &["a", "b", "c", "d"], Some("killer forget a b c ...")),
        ("up", &[], Some("killer up")),
        ("ru", &[], None),
        ("crnd", &["web"], None),
        ("apache2", &[], None),
    ] {
        assert_eq!(foreign::meant(ALL, word, names).as_deref(), is, "{word}");
    }
}

#[test]
fn the_page_has_every_verb_and_no_other_page() {
    let page = String::from_utf8(generate::man(ALL).unwrap()).unwrap();
    for verb in verbs() {
        assert!(page.contains(&format!(".SS \"killer {}", verb.replace('-', "\\-"))), "{verb}");
    }
    for word in ["\\-\\-kill\\-on\\-exit", "\\-\\-whom", "size<=N", "EXIT STATUS"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("killer\\-run(1)"));
}

#[test]
fn completions_offer_what_there_is() {
    use clap_complete::Shell;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let text = String::from_utf8(completions(ALL, shell)).unwrap();
        for word in ["set-main", "kill-on-exit", "require-exact"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        assert!(!text.contains("killer help") && !text.contains("killer__help"), "{shell}");
        if [Shell::Bash, Shell::Zsh, Shell::Fish].contains(&shell) {
            assert!(text.contains("killer list -o json"), "{shell}: services are not asked for");
        }
        assert!(shell != Shell::Fish || text.contains("or argparse"), "an option without a value");
        // A verb is the first word, not what stands behind a name.
        assert!(!text.contains("$line[2]"), "{shell}");
        // PowerShell's have no values of options.
        if shell != Shell::PowerShell && shell != Shell::Elvish {
            for word in ["WINCH", "main-fail", "leftover"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }
}
