//! `freeze`, `thaw`.

use super::doubt::Doubt;
use super::failure::Failure;
use super::names::{self, For};
use super::several::{self, Did};
use super::thaw::{Passed, order, recorded, release, side_effects};
use super::{Screen, doubt, facts, journal, verdict};
use crate::cli::Names;
use crate::ending::{Ending, Facts};
use crate::kill::{FreezeError, SIGSTOP, freeze as hold};
use crate::lineage::Lineage;
use crate::parse::signal;
use crate::report::model::Receipt;
use crate::report::{Style, human};
use crate::sys::{interrupt, mem, sched};
use crate::target::{Root, registry};
use crate::tier::Tracker;

fn cannot(t: &Tracker) -> Result<(), Failure> {
    match t.freezer() {
        Some(_) => Ok(()),
        None => Err(Failure::new(Ending::Failed, "this tier cannot freeze")
            .why("it has no hook in which a fork can be held")
            .next("'killer doctor' says what a better tier needs; -s STOP stops who is there now")),
    }
}

/// Holds every process of services still.
pub fn freeze(names: &Names, screen: &Screen) -> Result<Ending, Failure> {
    let hurry = sched::Hurry::start();
    let (t, found) = names::find(names, For::Verb)?;
    cannot(&t)?;
    drop(hurry);
    let one =
        |t: &Tracker, root: &Root| freeze_one(t, root).map(|(r, doubt)| finish(r, doubt, "frozen", screen));
    Ok(several::each(&t, &found, screen, true, one, |r, s| shown(r, screen, s)))
}

fn freeze_one(t: &Tracker, root: &Root) -> Result<(Receipt, Option<Doubt>), Failure> {
    let hurry = sched::Hurry::start();
    let name = &root.name;
    let _lock = t.lock()?;
    still_known(t, root)?;
    let mut family = Lineage::new(t, root.clone());
    let before = verdict::counts(&family);
    if before.tasks == 0 {
        return Err(Failure::new(Ending::Dead, format!("'{name}' has no live process"))
            .next(format!("'killer run --name {name} -- CMD' starts it again")));
    }
    let started = facts::when(mem::boottime_ns());
    interrupt::catch();
    let outcome = hold(&mut family, &order()).map_err(|e| not_frozen(root, e))?;
    drop(hurry);
    let mut notes = side_effects(t, root);
    let of = |code: &str| outcome.survivors.iter().filter(|s| s.code == code).count();
    let (runs, asleep) = (of("running"), of("asleep"));
    let unseen = outcome.survivors.len() - runs - asleep;
    let mut ending = Ending::of_freeze(runs, asleep, unseen, outcome.fled);
    if let Some(sig) = interrupt::came().filter(|_| outcome.unsure) {
        notes.push(format!("interrupted by {}: it goes on as before", signal::name(sig)));
        ending = Ending::Interrupted(sig);
    }
    // Without the hook on signals each member was looked at all the same.
    let doubt = doubt::of_freeze(t, root);
    let ending = ending.unless(doubt.is_some());
    let d = Passed { outcome: &outcome, before, notes, started, ending, doubt: doubt.as_ref() };
    Ok((recorded(&family, SIGSTOP, d), doubt))
}

fn not_frozen(root: &Root, e: FreezeError) -> Failure {
    match e {
        FreezeError::Refused(r) => {
            verdict::refused(root, r).next("run it from elsewhere: who is frozen cannot thaw himself")
        }
        FreezeError::Io(e) => {
            let f = Failure::from(e);
            let why = f.why.unwrap_or(f.what);
            Failure { what: format!("cannot freeze '{}'", root.name), why: Some(why), ..f }
        }
    }
}

/// Lets them go on.
pub fn thaw(names: &Names, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    cannot(&t)?;
    let one = |t: &Tracker, root: &Root| thaw_one(t, root).map(|r| finish(r, None, "thawed", screen));
    Ok(several::each(&t, &found, screen, true, one, |r, s| shown(r, screen, s)))
}

fn thaw_one(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
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
        None => Err(super::forgotten(root)),
    }
}

fn shown(r: &Receipt, screen: &Screen, s: &Style) -> String {
    if screen.verbose > 0 { human::receipt(r, s) } else { String::new() }
}

/// Everybody is told: the journal, the terminal, and whoever reads the receipt.
fn finish(r: Receipt, doubt: Option<Doubt>, word: &'static str, screen: &Screen) -> Did<Receipt> {
    journal::signals(&r);
    match failure(&r, doubt) {
        Some(f) => {
            journal::judgement(&r.service, &f);
            screen.fail(&f);
            screen.message(&human::survivors(&r));
        }
        None => {
            for n in &r.notes {
                screen.message(&crate::report::message::render(&format!("'{}': {n}", r.service), None, None));
            }
        }
    }
    Did { ending: r.ending, word, model: r }
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
