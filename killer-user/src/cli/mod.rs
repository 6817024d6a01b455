//! Arguments → [`Request`]. Knows neither the kernel nor the engine.

mod foreign;
mod generate;
mod main_form;
mod request;
mod usage;
mod verbs;
mod words;

use std::ffi::{OsStr, OsString};

use clap::{CommandFactory, FromArgMatches};

pub use foreign::{instead, meant, misplaced};
pub use generate::generate;
pub use request::{
    Action, Color, Common, Exit, Generate, KEEP, Kill, Log, Mode, Names, Nest, Output, Replace, Request, Run,
    Selftest, Stop, Until, Whose,
};

use main_form::{Form, Look, MainForm};
use usage::usage;
use verbs::{RESERVED, VERBS, VerbForm};

use crate::ending::{self, Ending};

const VERBS_HELP: &str = "  run --name NAME -- CMD...   start CMD as the root of a tracked service
  exec --name NAME -- CMD...  run CMD as a control process of a service
  adopt NAME --pid PID        take a running process and its descendants in
  stop NAME...                its stop command, TERM, wait, KILL; verified empty
  freeze, thaw NAME...        hold all of it still, let it go on
  list, status, tree, verify  show services, one service, its lineage, what others miss
  wait NAME...                wait until all are empty
  set-main, forget, rename    registry
  up, down, serve, doctor     tracker; what holds it; this kernel
  selftest [--quick]          every known way of escaping, tried on this kernel
  generate                    man page, completions, schema
  'killer VERB --help' says more; 'killer -- status' is a service called 'status'";

const EXAMPLES: &str = "  killer run --name web --detach -- /usr/sbin/apache2ctl start
  killer -s HUP --whom=main web
  killer -s KILL --who=all --wait web";

/// Below the options of the main form.
fn after_help() -> String {
    format!("Verbs:\n{VERBS_HELP}\n\nExamples:\n{EXAMPLES}\n\n{}", ending::codes_short())
}

/// Parses a command line, program name first.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, Exit> {
    let mut args: Vec<OsString> = args.skip(1).collect();
    if args.is_empty() {
        return Err(usage("no service named", "killer [-s SIG] NAME..., or 'killer --help'"));
    }
    match words::verb_at(&args) {
        Some(at) => {
            // `killer -o json list` is `killer list -o json`.
            let verb = args.remove(at);
            args.insert(0, verb.clone());
            verb_form(&verb.to_string_lossy(), args, at > 0)
        }
        None => main_form(args),
    }
}

/// Matches as C programs do: of an option given twice the last one counts.
fn matches<F: CommandFactory + FromArgMatches>(
    args: impl Iterator<Item = OsString>,
) -> Result<F, clap::Error> {
    let all = std::iter::once(OsString::from("killer")).chain(args);
    let found = F::command().args_override_self(true).try_get_matches_from(all)?;
    F::from_arg_matches(&found)
}

fn main_form(args: Vec<OsString>) -> Result<Request, Exit> {
    if let Some(v) = words::queued(&args) {
        return Err(usage(
            "-q is 'quiet' here, and takes no value; nothing was signalled",
            &format!("a value goes with --value: killer -s RTMIN --value={} NAME", v.escape_debug()),
        ));
    }
    let args = words::lists_apart(args);
    let first = words::first(&args);
    let form: MainForm = matches(words::shorthands(args)).map_err(|e| {
        let exit = usage::from_clap(&e, None, false);
        // `killer rnu --name web -- CMD`: the options are the verb's.
        match first.as_deref().and_then(|w| meant(w, &[])).filter(|_| !exit.ending.is_good()) {
            Some(verb) => {
                usage(usage::what(&exit), &format!("'{verb}' is probably meant; see '{verb} --help'"))
            }
            None => exit,
        }
    })?;
    let look = form.look.clone();
    match form.resolve() {
        Form::Kill(k) => request(Action::Kill(k), look),
        Form::Print(text) => Err(Exit { ending: Ending::Done, stdout: text, stderr: String::new() }),
        Form::Usage(what, next) => Err(usage(&what, &next)),
    }
}

fn verb_form(verb: &str, args: Vec<OsString>, early: bool) -> Result<Request, Exit> {
    if RESERVED.contains(&verb) {
        return Err(usage(
            &format!("this killer has no verb '{verb}'; nothing was done"),
            &format!("see 'killer --help'; a service of this name: killer [OPTIONS] -- {verb}"),
        ));
    }
    let form: VerbForm = matches(args.into_iter()).map_err(|e| usage::from_clap(&e, Some(verb), early))?;
    let (action, look) = form.verb.resolve().map_err(|(what, next)| usage(&what, &next))?;
    request(action, look)
}

fn request(action: Action, look: Look) -> Result<Request, Exit> {
    let verb = match action {
        Action::Tree(..) => Some("tree"),
        Action::Selftest(_) => Some("selftest"),
        _ => None,
    };
    if let Some(only) = look.output.only_for().filter(|v| verb != Some(v)) {
        let what = format!("this format is for 'killer {only}' only");
        return Err(usage(&what, "use -o short, json or json-pretty"));
    }
    let json = matches!(look.output, Output::Json | Output::JsonPretty);
    if let Some((what, next)) = no_document(&action).filter(|_| json) {
        return Err(usage(what, next));
    }
    let common = Common { output: look.output, verbose: look.verbose, quiet: look.quiet, color: look.color };
    Ok(Request { action, common })
}

/// Why a request has no JSON document, and what has.
fn no_document(action: &Action) -> Option<(&'static str, &'static str)> {
    match action {
        Action::Run(r) if !r.detach => Some((
            "stdout is CMD's in the foreground, so it cannot hold JSON",
            "run --detach prints a document",
        )),
        Action::Exec(..) => Some(("stdout is CMD's, so it cannot hold JSON", "leave -o out")),
        Action::Serve(_) => Some(("'killer serve' has no JSON: it tells sd_notify", "leave -o out")),
        Action::Generate(Generate::Man | Generate::Completions(_)) => {
            Some(("a man page and completions are no JSON", "'killer generate schema' is"))
        }
        _ => None,
    }
}

/// True when a word is a verb.
pub fn is_verb(word: &OsStr) -> bool {
    word.to_str().is_some_and(|w| VERBS.contains(&w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn p(words: &[&str]) -> Result<Request, Exit> {
        parse(std::iter::once("killer").chain(words.iter().copied()).map(OsString::from))
    }

    fn kill(words: &[&str]) -> Kill {
        match p(words).unwrap().action {
            Action::Kill(k) => k,
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
                prop::sample::select(VERBS.to_vec()).prop_map(|w| w.as_bytes().to_vec()),
                prop::sample::select(vec!["-s", "--whom", "--whom=born:<", "--value=", "--wait=", "--", "--name", "-o", "--until", "--pid"])
                    .prop_map(|w| w.as_bytes().to_vec()),
            ], 0..6),
        ) {
            use std::os::unix::ffi::OsStringExt;
            let args = std::iter::once(b"killer".to_vec()).chain(words).map(OsString::from_vec);
            if let Err(e) = parse(args)
                && !e.ending.is_good()
            {
                prop_assert!(e.ending == Ending::Usage && e.stdout.is_empty());
                prop_assert!(e.stderr.lines().count() <= 3, "{}", e.stderr);
                prop_assert!(!e.stderr.chars().any(|c| c.is_control() && c != '\n'), "{:?}", e.stderr);
            }
        }
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
        assert_eq!(kill(&["--wait", "cron"]).wait.map(|w| w.span), Some(crate::parse::span::Span::Infinity));
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
        assert!(matches!(p(&["-vo", "json", "list"]).unwrap().action, Action::List));
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
        assert!(help.lines().count() < 64 && help.lines().all(|l| l.chars().count() <= 100), "{help}");
        assert!(help.contains("Verbs:\n  run --name") && help.contains("Examples:\n  killer run"), "{help}");
        for verb in VERBS {
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
    fn verbs() {
        assert!(matches!(p(&["list"]).unwrap().action, Action::List));
        let r = p(&["-o", "json", "status", "cron"]).unwrap();
        assert!(matches!(r.action, Action::Status(ref n, false) if n.words == ["cron"]));
        assert_eq!(r.common.output, Output::Json);
        let Action::Run(run) =
            p(&["run", "--name", "x", "--env", "A=b", "--", "sh", "-c", "-9"]).unwrap().action
        else {
            panic!()
        };
        assert_eq!(run.argv, ["sh", "-c", "-9"]);
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
}
