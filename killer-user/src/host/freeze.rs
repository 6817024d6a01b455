//! `freeze`, `thaw`.

use super::certainty::Doubt;
use super::failure::Failure;
use super::thaw::{Passed, order, recorded, release, side_effects};
use super::{Tell, behind, certainty, journal, survivors};
use crate::ask::signal;
use crate::ending::{Ending, Facts};
use crate::kill::{FreezeError, Order, SIGSTOP, freeze as hold};
use crate::lineage::Lineage;
use crate::lookup::{Root, registry};
use crate::report::human;
use crate::report::model::{Moment, Receipt};
use crate::sys::{clock, interrupt, sched};
use crate::tier::Tracker;

/// An error where this tier cannot freeze.
pub fn cannot(t: &Tracker) -> Result<(), Failure> {
    match t.freezer() {
        Some(_) => Ok(()),
        None => Err(Failure::new(Ending::Failed, "this tier cannot freeze").why(t.no_freezer()).next(
            "'killer doctor' says what a better tier needs; -s STOP stops the processes that are there now",
        )),
    }
}

/// Holds every process of a service still; what did not go well is told.
pub fn freeze(t: &Tracker, root: &Root, tell: &dyn Tell) -> Result<Receipt, Failure> {
    let (r, doubt) = hold_all(t, root, false)?;
    say(&r, doubt, tell);
    Ok(r)
}

/// The same for as long as this process does not end it otherwise: when it dies, the next call of killer undoes it.
pub fn passing(t: &Tracker, root: &Root, tell: &dyn Tell) -> Result<Receipt, Failure> {
    let (r, doubt) = hold_all(t, root, true)?;
    say(&r, doubt, tell);
    Ok(r)
}

/// The failure when a service has no live process.
pub fn nobody_there(t: &Tracker, root: &Root) -> Result<(), Failure> {
    match survivors::counts(&Lineage::new(t, root.clone())).tasks {
        0 => Err(dead(&root.name)),
        _ => Ok(()),
    }
}

fn dead(name: &str) -> Failure {
    Failure::new(Ending::Dead, format!("'{name}' has no live process"))
        .next(format!("'killer run --name {name} -- CMD' starts it again"))
}

fn hold_all(t: &Tracker, root: &Root, passing: bool) -> Result<(Receipt, Option<Doubt>), Failure> {
    let hurry = sched::Hurry::start();
    let name = &root.name;
    let _lock = t.lock()?;
    still_known(t, root)?;
    let mut family = Lineage::new(t, root.clone());
    let before = survivors::counts(&family);
    if before.tasks == 0 {
        return Err(dead(name));
    }
    let started = Moment(clock::boottime_ns());
    interrupt::catch();
    let outcome = hold(&mut family, &Order { passing, ..order() }).map_err(|e| not_frozen(root, e))?;
    drop(hurry);
    let mut notes = side_effects(t, root);
    notes.extend(behind::note(&family));
    let of = |code: &str| outcome.survivors.iter().filter(|s| s.code == code).count();
    let (runs, asleep) = (of("running"), of("asleep"));
    let unseen = outcome.survivors.len() - runs - asleep;
    let mut ending = Ending::of_freeze(runs, asleep, unseen, outcome.fled);
    if let Some(sig) = interrupt::came().filter(|_| outcome.unsure) {
        notes.push(format!("interrupted by {}: it goes on as before", signal::name(sig)));
        ending = Ending::Interrupted(sig);
    }
    let doubt = certainty::after(t, root, false);
    let ending = ending.unless(doubt.is_some());
    let d = Passed { outcome: &outcome, before, notes, started, ending, doubt: doubt.as_ref() };
    Ok((recorded(&family, SIGSTOP, d), doubt))
}

fn not_frozen(root: &Root, e: FreezeError) -> Failure {
    match e {
        FreezeError::Refused(r) => {
            survivors::refused(root, r).next("run it from elsewhere: a frozen process cannot thaw itself")
        }
        FreezeError::Io(e) => {
            let f = Failure::from(e);
            let why = f.why.unwrap_or(f.what);
            Failure { what: format!("cannot freeze '{}'", root.name), why: Some(why), ..f }
        }
    }
}

/// Lets a service go on; what did not go well is told.
pub fn thaw(t: &Tracker, root: &Root, tell: &dyn Tell) -> Result<Receipt, Failure> {
    let r = let_go(t, root)?;
    say(&r, None, tell);
    Ok(r)
}

fn let_go(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
    let name = &root.name;
    if let Some(outer) = registry::frozen(t, root.slot.slot).filter(|s| *s != root.slot.slot) {
        let outer = registry::in_slot(t, outer).map(|r| r.name).unwrap_or_default();
        return Err(Failure::new(
            Ending::Failed,
            format!("'{name}' is frozen with '{outer}', which it is inside of"),
        )
        .next(format!("'killer thaw {outer}'")));
    }
    let _lock = t.lock()?;
    still_known(t, root)?;
    release(t, root)
}

/// The failure when it was forgotten while this call waited for another one; under the lock, so that it stays known.
fn still_known(t: &Tracker, root: &Root) -> Result<(), Failure> {
    match registry::again(t, root) {
        Some(_) => Ok(()),
        None => Err(super::unknown::forgotten(root)),
    }
}

/// The journal, the terminal and the receipt are told.
fn say(r: &Receipt, doubt: Option<Doubt>, tell: &dyn Tell) {
    journal::signals(r);
    match failure(r, doubt) {
        Some(f) => {
            journal::judgement(&r.service, &f);
            tell.fail(&f);
            tell.message(&human::survivors(r));
        }
        None => {
            for n in &r.notes {
                tell.message(&crate::report::message::render(&format!("'{}': {n}", r.service), None, None));
            }
        }
    }
}

/// What did not go well.
fn failure(r: &Receipt, doubt: Option<Doubt>) -> Option<Failure> {
    let of = |code: &str| r.survivors.iter().filter(|s| s.code == code).count();
    let left = match r.ending {
        Ending::Running => of("running"),
        Ending::Asleep => of("asleep"),
        _ => r.survivors.len(),
    };
    let note = r.notes.last().map_or("interrupted", |n| n);
    let what = r.ending.sentence(&Facts { service: &r.service, left, note, ..Facts::default() });
    match r.ending {
        e if e.is_good() => None,
        Ending::Doubtful => doubt.map(|d| d.failure(&r.service)),
        Ending::Unsure => Some(Failure::new(r.ending, what).why(note)),
        _ => Some(Failure::new(r.ending, what)),
    }
}
