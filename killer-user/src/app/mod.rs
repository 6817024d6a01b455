//! The glue: a parsed request → tracker, target, engine → report → exit code.

mod also;
mod doctor;
mod documents;
mod doubt;
mod elsewhere;
pub mod exact;
pub mod facts;
pub mod failure;
mod forking;
mod found;
pub mod freeze;
mod frozen;
pub mod host;
mod journal;
pub mod kill;
mod last;
mod logs;
pub mod main_process;
mod names;
mod on_exit;
pub mod order;
mod picks;
mod pidfiles;
mod place;
mod receipt;
mod registry_verbs;
mod replace;
mod run;
mod screen;
mod selftest;
mod serve;
pub mod service;
mod several;
mod stop;
pub mod stop_record;
mod stop_words;
pub mod thaw;
mod unseen;
mod verdict;
mod verify;
mod views;
pub mod waiting;

use crate::cli::{self, Action, Common, Exit, Request};
use crate::ending::Ending;
use crate::parse::name;
use crate::report::model::Exactness;
use crate::sys::mem;
use crate::target::{Root, registry};
use crate::tier::{Paths, Tracker};
use failure::Failure;
use host::Host;
pub use screen::Screen;

/// Does what was asked; answers the exit code.
pub fn perform(request: &Request) -> u8 {
    mem::make_room();
    let screen = Screen::new(&request.common);
    let done = match &request.action {
        Action::Kill(k) => Ok(kill::run(k, &screen)),
        Action::Run(r) => run::run(r, &screen),
        Action::Exec(name, argv) => run::exec(name, argv, &screen),
        Action::Adopt(name, whose) => run::adopt(name, whose, &screen),
        Action::Stop(s) => stop::stop(s, &screen),
        Action::Freeze(names) => freeze::freeze(names, &screen),
        Action::Thaw(names) => freeze::thaw(names, &screen),
        Action::List => views::list(&screen),
        Action::Status(names, exact) => views::status(names, *exact, &screen),
        Action::Tree(names, last) => views::tree(names, *last, &screen),
        Action::Verify(names, exact) => verify::verify(names, *exact, &screen),
        Action::Wait(names, until, limit) => views::wait(names, *until, *limit, &screen),
        Action::SetMain(name, pid) => registry_verbs::set_main(name, *pid),
        Action::Forget(names) => registry_verbs::forget(names, &screen),
        Action::GiveUp(names) => registry_verbs::give_up(names, &screen),
        Action::ForgetEnded => registry_verbs::forget_ended(&screen),
        Action::Rename(old, new) => registry_verbs::rename(old, new),
        Action::Up(witness) => registry_verbs::up(*witness, &screen),
        Action::Down(force) => registry_verbs::down(*force, &screen),
        Action::Serve(detach) => serve::serve(*detach, &screen),
        Action::Doctor => doctor::doctor(&screen),
        Action::Selftest(s) => selftest::selftest(s, &screen),
        Action::Generate(what) => cli::generate(*what).map_err(Failure::from).map(|out| {
            screen.bytes(&out);
            Ending::Done
        }),
    };
    if done.as_ref().is_ok_and(|e| e.is_good()) && screen.is_json() {
        documents::after(&request.action, &screen);
    }
    screen.end(done.unwrap_or_else(|f| screen.fail(&f))).code()
}

/// Says the end of a call that did nothing: help, lists, usage errors. Answers the exit code.
pub fn say(e: &Exit) -> u8 {
    let screen = Screen::new(&Common::default());
    screen.message(&e.stderr);
    screen.bytes(e.stdout.as_bytes());
    screen.end(e.ending).code()
}

/// Opens the tracker and finds a service by its exact name.
fn find(word: &str) -> Result<(Host, Root), Failure> {
    let t = Host::open()?.ok_or_else(|| unknown_untracked(word))?;
    let here = registry::named(&t, word);
    let mut found = None;
    if !here.as_ref().is_some_and(|r| elsewhere::lives(&t, r)) {
        found = elsewhere::named(&t, word)?.filter(|(o, r)| here.is_none() || elsewhere::lives(o, r));
    }
    let (t, r) = match (found, here) {
        (Some(found), _) => found,
        (None, Some(r)) => (t, r),
        (None, None) => return Err(unknown(&t, word)),
    };
    main_process::settle(&t, &r);
    Ok((t, r))
}

/// The error for a name that nobody has.
pub fn unknown(t: &Tracker, word: &str) -> Failure {
    if let Err(f) = doubt::sound(t) {
        return f;
    }
    if let Some(f) = unseen::lost().err().or_else(|| unseen::elsewhere(word)) {
        return f;
    }
    if let Some(why) = t.passed_by() {
        return Failure::new(Ending::NotPermitted, format!("no service '{word}' of this user"))
            .why(format!("whether the host tracks one cannot be asked: {why}"))
            .next("run it as root");
    }
    let mut known: Vec<String> = registry::all(t).into_iter().map(|r| r.name).collect();
    let (others, unseen) = elsewhere::names(t);
    known.extend(others);
    if let Some(unseen) = unseen.first() {
        return Failure::new(Ending::Unknown, format!("no such service '{word}' as far as can be seen"))
            .why(format!("some cannot be looked at: {unseen}"))
            .next("run it as root, where they were started");
    }
    let mut f = Failure::new(Ending::Unknown, format!("no such service '{word}'"));
    f = match known.len() {
        0 => f.why(nothing_tracked()),
        n if n > 12 => f.why(format!("tracked: {} and {} more", known[..12].join(", "), n - 12)),
        _ => f.why(format!("tracked: {}", known.join(", "))),
    };
    match name::suggest(word, known.iter().map(String::as_str)) {
        Some(s) => f.next(format!("did you mean '{s}'?")),
        None => f.next(format!("see 'killer list'; 'killer run --name {word} -- CMD' starts one")),
    }
}

/// The error for a name while no tracker is loaded.
pub fn unknown_untracked(word: &str) -> Failure {
    if let Some(f) = unseen::lost().err().or_else(|| unseen::elsewhere(word)) {
        return f;
    }
    Failure::new(Ending::Unknown, format!("no such service '{word}'"))
        .why(nothing_tracked())
        .next(format!("'killer run --name {word} -- CMD' starts one"))
}

fn nothing_tracked() -> String {
    let others = Paths::default().others();
    if others.is_empty() {
        return "nothing is tracked".into();
    }
    format!("nothing is tracked by this version; pins of other versions are here: {}", others.join(", "))
}

/// The error for a service that was there when its name was looked up.
fn forgotten(root: &Root) -> Failure {
    Failure::new(Ending::Unknown, format!("'{}' has ended and was forgotten meanwhile", root.name))
        .why("nothing was done")
        .next("'killer list' shows what is tracked")
}

/// The error of `--require-exact`.
fn not_exact(name: &str, e: &Exactness) -> Failure {
    Failure::new(Ending::NotExact, format!("service '{name}' is not provably exact"))
        .why(crate::report::human::exactness(e))
        .next("without --require-exact it goes on with what is known")
}
