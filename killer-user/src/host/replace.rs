//! The name of a new service: made where none is given, and free where a live one has it (`run --replace`).

use super::failure::Failure;
use super::open::Host;
use super::{Tell, changes, elsewhere, models, stop};
use crate::ask::{Replace, Run, Stop};
use crate::ask::{name, span::Span};
use crate::ending::Ending;
use crate::lookup::{Root, registry};
use crate::report::message;
use crate::sys::{child, supervise};
use crate::tier::Tracker;

/// What each wait takes at most when the old one is ended: as `killer stop` without options.
const PATIENCE: Span = Span::Finite(std::time::Duration::from_secs(90));

/// The same with its name for good; a service that lives under it has been ended, or has another name.
pub fn prepare(r: &Run, tell: &dyn Tell) -> Result<Run, Failure> {
    let mut r = r.clone();
    let note = |what: String| tell.message(&message::render(&what, None, None));
    if r.made {
        if let Some(t) = Host::open()? {
            r.name = free(&t, &r.name)?;
        }
        if tell.verbose() > 0 {
            note(format!("the name of the service is '{}'", r.name));
        }
    }
    let Some(how) = r.replace else { return Ok(r) };
    let Some((t, old)) = alive(&r.name)? else { return Ok(r) };
    match how {
        Replace::End => end(&t, &old, tell)?,
        Replace::Rename => {
            let number = models::main_of(&t, &old).map_or(old.slot.slot, |m| m.process.pid);
            let new = free(&t, &name::made(r.name.as_ref(), number))?;
            changes::rename(&r.name, &new)?;
            note(format!("the service that was '{}' is '{new}' now", r.name));
        }
    }
    Ok(r)
}

/// The live service of that name, and what keeps it.
fn alive(word: &str) -> Result<Option<(Host, Root)>, Failure> {
    let Some(t) = Host::open()? else { return Ok(None) };
    if let Some(r) = registry::named(&t, word).filter(|r| elsewhere::lives(&t, r)) {
        return Ok(Some((t, r)));
    }
    Ok(elsewhere::named(&t, word)?.filter(|(o, r)| elsewhere::lives(o, r)))
}

/// This name, or one like it that nobody has.
fn free(t: &Tracker, wish: &str) -> Result<String, Failure> {
    let mut taken: Vec<String> = registry::all(t).into_iter().map(|r| r.name).collect();
    taken.extend(elsewhere::names(t).0);
    let mut name = wish.to_owned();
    let mut n = 1;
    while taken.contains(&name) {
        n += 1;
        name = name::made(wish.as_ref(), n);
    }
    Ok(name)
}

/// As `killer stop` ends it, in a process of its own: what that catches, and the threads that it has, are not the
/// launcher's.
fn end(t: &Tracker, old: &Root, tell: &dyn Tell) -> Result<(), Failure> {
    let s = Stop::usual(&old.name, PATIENCE);
    let Some(pid) = supervise::fork()? else {
        let done = stop::end(t, old, std::slice::from_ref(old), &s, tell);
        supervise::exit(match done {
            Ok(r) => r.ending.code().into(),
            Err(f) => tell.fail(&f).code().into(),
        })
    };
    if Ending::of_command(child::wait(pid)?).is_good() {
        return Ok(());
    }
    let what = format!("the old '{}' was not ended, so no new one was started", old.name);
    Err(Failure::new(Ending::NotStarted, what)
        .next("'killer run --replace=rename' lets it live on under another name"))
}
