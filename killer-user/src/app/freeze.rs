//! `freeze`, `thaw`, and what an interrupted one left.

use std::time::Duration;

use killer_common::record::{R_FREEZING, R_THAWING, R_UNDONE};

use super::doubt::Doubt;
use super::failure::Failure;
use super::names::{self, For};
use super::receipt::{Done, receipt};
use super::several::{self, Did};
use super::{Screen, doubt, facts, frozen, journal, verdict};
use crate::cli::{Kill, Names};
use crate::ending::{Ending, Facts};
use crate::kill::{FreezeError, Newborns, Order, Outcome, SIGCONT, SIGSTOP, freeze as hold, thaw as let_go};
use crate::lineage::Lineage;
use crate::parse::signal;
use crate::parse::whom::Whom;
use crate::report::model::{Counts, Receipt};
use crate::report::{Style, human};
use crate::sys::alive::alive;
use crate::sys::{interrupt, mem, sched};
use crate::target::{Root, process, registry};
use crate::tier::Tracker;

/// How long members may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);

fn order() -> Order {
    Order::to_all(SIGSTOP, process::ancestors(), PATIENCE)
}

fn asked(name: &str, signal: i32) -> Kill {
    Kill {
        names: Names::one(name),
        signal,
        whom: Whom::default(),
        value: None,
        wait: None,
        dry_run: false,
        require_exact: false,
        include_self: false,
        newborns: Newborns::Signal,
        patience: None,
    }
}

fn cannot(t: &Tracker) -> Result<(), Failure> {
    match t.cannot_freeze() {
        None => Ok(()),
        Some(why) => Err(Failure::new(Ending::Failed, "this tier cannot freeze")
            .why(why)
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

/// What a pass over a set has done, for its receipt.
struct Passed<'a> {
    outcome: &'a Outcome,
    before: Counts,
    notes: Vec<String>,
    started: String,
    ending: Ending,
    doubt: Option<&'a Doubt>,
}

fn recorded(family: &Lineage<'_>, signal: i32, p: Passed<'_>) -> Receipt {
    let (t, root, o) = (family.tracker(), family.root(), p.outcome);
    receipt(&Done {
        family,
        k: &asked(&root.name, signal),
        main: facts::main_of(t, root),
        ending: p.ending,
        doubt: p.doubt,
        outcome: o,
        before: p.before,
        survivors: o.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect(),
        unreaped: Vec::new(),
        released: (None, None),
        notes: p.notes,
        started: p.started,
    })
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

/// Thaws a root under the lock that the caller holds.
pub fn release(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
    let mut notes = side_effects(t, root);
    notes.extend(frozen::doubts(t, root));
    let mut family = Lineage::new(t, root.clone());
    let before = verdict::counts(&family);
    let started = facts::when(mem::boottime_ns());
    let outcome = let_go(&mut family, &order())?;
    let ending = Ending::of_thaw(outcome.survivors.len(), outcome.unsure, !outcome.targets.is_empty());
    if outcome.unsure {
        notes.push("not every member could be looked up: the next call of killer lets the rest go on".into());
    }
    // Who is not known was not stopped: a thaw leaves nobody behind.
    Ok(recorded(&family, SIGCONT, Passed { outcome: &outcome, before, notes, started, ending, doubt: None }))
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

/// What a freeze has done to the program beyond holding it.
fn side_effects(t: &Tracker, root: &Root) -> Vec<String> {
    let Some(r) = t.root(root.slot.slot) else { return Vec::new() };
    let mut v = Vec::new();
    if r.hangups != 0 {
        v.push(format!(
            "the kernel sent SIGHUP to {}: a process group was orphaned while it was stopped",
            human::count(u64::from(r.hangups), "process", "processes")
        ));
    }
    v
}

/// Lets everybody go whom a `killer` that died in the middle has left stopped.
pub fn settle(t: &Tracker) -> Result<(), Failure> {
    const UNDER_WAY: u64 = R_FREEZING | R_THAWING;
    let left =
        |r: &killer_common::record::Root| r.flags & UNDER_WAY != 0 && !alive(r.freezer_tgid, r.freezer_start);
    for (slot, r) in t.roots() {
        if !left(&r) {
            continue;
        }
        let _lock = t.lock()?;
        let Some(root) = registry::in_slot(t, slot).filter(|n| left(&n.record)) else { continue };
        // What could not be let go stays for the call after this one.
        if release(t, &root)?.ending.is_good() {
            t.freeze(root.slot, R_UNDONE)?;
        }
    }
    Ok(())
}
