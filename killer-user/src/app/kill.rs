//! The main form: names → roots → engine → receipts → exit code.

use super::failure::Failure;
use super::host::Host;
use super::names::{self, For};
use super::order::{Ordered, order};
use super::picks::picks;
use super::several::{self, Did};
use super::{Screen, also, journal, last, main_process, pidfiles, unseen, verdict};
use crate::cli::Kill;
use crate::ending::Ending;
use crate::lineage::Pick;
use crate::report::human;
use crate::report::model::Receipt;
use crate::sys::sched;
use crate::target::Root;
use crate::tier::Tracker;

/// Does what the main form asks.
pub fn run(k: &Kill, screen: &Screen) -> Ending {
    // To look at a set that is in the way costs a share of the CPU that hundreds of forkers do not leave.
    let hurry = sched::Hurry::start();
    let t = match Host::open() {
        // What it has mapped and opened goes with this process: cheaper than piece by piece.
        Ok(Some(t)) => std::mem::ManuallyDrop::new(t),
        Ok(None) => return screen.fail(&names::none(&k.names, For::Signal)),
        Err(f) => return screen.fail(&f),
    };
    let picks = match picks(&k.whom) {
        Ok(p) => p,
        Err(f) => return screen.fail(&f),
    };
    let _log = screen.relay(&t);
    drop(hurry);
    let found = match names::resolve(&t, &k.names, For::Signal) {
        Ok(found) => found,
        Err(f) => return screen.fail(&f),
    };
    several::each(
        &t,
        &found,
        screen,
        !k.dry_run,
        |t, root| one(t, root, found.of(t), k, &picks, screen),
        |r, s| shown(r, k, screen, s),
    )
}

/// The order to one of those that were `named`, and everything that is told of it.
fn one(
    t: &Tracker,
    root: &Root,
    named: &[Root],
    k: &Kill,
    picks: &[Pick],
    screen: &Screen,
) -> Result<Did<Receipt>, Failure> {
    if !k.dry_run && !k.require_exact {
        let asked = also::Asked { picks, include_self: k.include_self };
        also::say(t, root, named, k.signal, asked, screen);
    }
    let Ordered { receipt: r, failure } = order(t, root, k, picks, screen)?;
    let active = k.signal != 0 && !k.dry_run;
    if active {
        let uid = rustix::process::getuid().as_raw();
        let _ = t.note_kill(root.slot, k.signal, uid, r.ending.code());
        last::remember(t, root, k.signal, r.ending, &[&r]);
        if r.empty {
            pidfiles::ended(t, root);
            unseen::remember(t);
        }
    }
    let gone = r.main_pid.is_none() && r.tasks > 0 && r.ending.is_good() && k.whom.names_main();
    if gone {
        screen.fail(&no_main(&r, k));
    }
    if let Some(f) = failure {
        if active {
            journal::judgement(&r.service, &f);
        }
        verdict::complain(&f, &[&r.survivors[..], &r.unreaped].concat(), screen);
        screen.message(&human::refused(&r));
    } else if let Some(f) = verdict::nobody(&r).filter(|_| !gone) {
        screen.fail(&f);
    }
    if !r.ending.lists_who() {
        verdict::say_unreaped(&r.service, &r.unreaped, screen);
    }
    Ok(Did { ending: r.ending, word: became(&r), model: r })
}

/// What is said when the main process was named, is gone, and that is no failure.
fn no_main(r: &Receipt, k: &Kill) -> Failure {
    let f = main_process::gone(&r.service);
    if k.whom.spares_main() {
        f.why(format!("nobody is left out by --whom={}", k.whom.text))
    } else if r.targets.is_empty() {
        f.why(if k.dry_run { "nobody would be signalled" } else { "nobody was signalled" })
    } else {
        f
    }
}

/// In a word what a service is after an order that went well.
fn became(r: &Receipt) -> &'static str {
    match r.signal {
        0 => "there",
        _ if r.empty => "ended",
        _ => "signalled",
    }
}

fn shown(r: &Receipt, k: &Kill, screen: &Screen, s: &crate::report::Style) -> String {
    if k.dry_run || screen.verbose > 0 { human::receipt(r, s) } else { String::new() }
}
