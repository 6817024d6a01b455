//! `freeze`, `thaw`, and what an interrupted one left.

use std::time::Duration;

use killer_common::record::{R_FREEZING, R_THAWING, R_UNDONE};

use super::failure::{Failure, code};
use super::names::{self, For};
use super::receipt::{Done, receipt};
use super::several::{self, Did};
use super::{Screen, doubt, facts, frozen, journal, verdict};
use crate::cli::{Kill, Names};
use crate::kill::{FreezeError, Newborns, Order, SIGCONT, SIGSTOP, freeze as hold, thaw as let_go};
use crate::lineage::Lineage;
use crate::parse::signal;
use crate::parse::whom::Whom;
use crate::report::model::Receipt;
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
        Some(why) => Err(Failure::new(code::FAILURE, "this tier cannot freeze")
            .why(why)
            .next("'killer doctor' says what a better tier needs; -s STOP stops who is there now")),
    }
}

/// Holds every process of services still.
pub fn freeze(names: &Names, screen: &Screen) -> Result<u8, Failure> {
    let hurry = sched::Hurry::start();
    let (t, found) = names::find(names, For::Verb)?;
    cannot(&t)?;
    drop(hurry);
    let one = |t: &Tracker, root: &Root| freeze_one(t, root).map(|r| finish(t, root, r, "frozen", screen));
    Ok(several::each(&t, &found, screen, true, one, |r, s| shown(r, screen, s)))
}

fn freeze_one(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
    let hurry = sched::Hurry::start();
    let name = &root.name;
    let _lock = t.lock()?;
    still_known(t, root)?;
    let mut family = Lineage::new(t, root.clone());
    let before = verdict::counts(&family);
    if before.tasks == 0 {
        return Err(Failure::new(code::DEAD, format!("'{name}' has no live process"))
            .next(format!("'killer run --name {name} -- CMD' starts it again")));
    }
    let started = facts::when(mem::boottime_ns());
    interrupt::catch();
    let outcome = hold(&mut family, &order()).map_err(|e| match e {
        FreezeError::Refused(r) => {
            verdict::refused(root, r).next("run it from elsewhere: who is frozen cannot thaw himself")
        }
        FreezeError::Io(e) => {
            let f = Failure::from(e);
            let why = f.why.unwrap_or(f.what);
            Failure { what: format!("cannot freeze '{name}'"), why: Some(why), ..f }
        }
    })?;
    drop(hurry);
    let mut notes = side_effects(t, root);
    let mut exit = 0;
    let mut word = "frozen";
    let unseen = outcome.survivors.iter().all(|s| s.code != "running");
    if let Some(sig) = interrupt::came().filter(|_| outcome.unsure) {
        notes.push(format!("interrupted by {}: it goes on as before", signal::name(sig)));
        exit = 128 + sig as u8;
    } else if !outcome.survivors.is_empty() {
        (exit, word) = (code::TIMEOUT, if unseen { "doubtful" } else { "running" });
    } else if outcome.fled {
        (exit, word) = (code::TIMEOUT, "doubtful");
        notes.push(
            "processes were born faster than they could be stopped: some may run; freeze it again".into(),
        );
    }
    let k = asked(name, SIGSTOP);
    let survivors = outcome.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect();
    Ok(receipt(&Done {
        family: &family,
        k: &k,
        main: facts::main_of(t, root),
        exit,
        outcome: &outcome,
        before,
        survivors,
        unreaped: Vec::new(),
        released: (None, None),
        notes,
        started,
        word: Some(word),
    }))
}

/// Lets them go on.
pub fn thaw(names: &Names, screen: &Screen) -> Result<u8, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    cannot(&t)?;
    let one = |t: &Tracker, root: &Root| thaw_one(t, root).map(|r| finish(t, root, r, "thawed", screen));
    Ok(several::each(&t, &found, screen, true, one, |r, s| shown(r, screen, s)))
}

fn thaw_one(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
    let name = &root.name;
    if let Some(outer) = registry::frozen(t, root.slot.slot).filter(|s| *s != root.slot.slot) {
        let outer = registry::in_slot(t, outer).map(|r| r.name).unwrap_or_default();
        return Err(Failure::new(
            code::FAILURE,
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
    let (exit, word) = match (outcome.survivors.is_empty() && !outcome.unsure, outcome.targets.is_empty()) {
        (false, _) => (code::PARTIAL, "partial"),
        (_, true) => (0, "nothing"),
        _ => (0, "thawed"),
    };
    if outcome.unsure {
        notes.push("not every member could be looked up: the next call of killer lets the rest go on".into());
    }
    let survivors = outcome.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect();
    let k = asked(&root.name, SIGCONT);
    Ok(receipt(&Done {
        family: &family,
        k: &k,
        main: facts::main_of(t, root),
        exit,
        outcome: &outcome,
        before,
        survivors,
        unreaped: Vec::new(),
        released: (None, None),
        notes,
        started,
        word: Some(word),
    }))
}

fn shown(r: &Receipt, screen: &Screen, s: &Style) -> String {
    if screen.verbose > 0 { human::receipt(r, s) } else { String::new() }
}

/// The last judgement, then everybody is told: the journal, the terminal, and whoever reads the receipt.
fn finish(t: &Tracker, root: &Root, mut r: Receipt, word: &'static str, screen: &Screen) -> Did<Receipt> {
    // Who is not known was not stopped: a thaw leaves nobody behind.
    let doubt = if r.signal == SIGSTOP { doubt::judge_freeze(t, root, &mut r) } else { None };
    let failed = doubt.or_else(|| failure(&r));
    journal::signals(&r);
    match failed {
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
    Did { code: r.exit_code, word, model: r }
}

/// What did not go well.
fn failure(r: &Receipt) -> Option<Failure> {
    if r.exit_code == 0 {
        return None;
    }
    let n = r.survivors.len() as u64;
    let what = if n == 0 {
        format!("'{}': {}", r.service, r.notes.last().map_or("interrupted", |n| n))
    } else if r.exit_code == code::PARTIAL {
        let n = human::count(n, "process is still stopped", "processes are still stopped");
        format!("'{}': {n}: the next call of killer tries again", r.service)
    } else {
        let of = |code: &str| r.survivors.iter().filter(|s| s.code == code).count() as u64;
        match (of("running"), of("asleep")) {
            (0, 0) => {
                let n = human::count(n, "process", "processes");
                format!(
                    "'{}': {n} could not be looked at, so nobody knows whether all of it is stopped",
                    r.service
                )
            }
            (0, n) => {
                let n = human::count(n, "process sleeps", "processes sleep");
                format!("'{}': {n} in the kernel and may run afterwards", r.service)
            }
            (n, _) => {
                let n = human::count(n, "process runs on", "processes run on");
                format!("'{}': {n} although the service is frozen", r.service)
            }
        }
    };
    Some(Failure::new(r.exit_code, what))
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
        if release(t, &root)?.exit_code == 0 {
            t.freeze(root.slot, R_UNDONE)?;
        }
    }
    Ok(())
}
