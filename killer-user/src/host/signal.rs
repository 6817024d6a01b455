//! A signal to one service, and everything that is told of it.

use super::failure::Failure;
use super::official::{self, Way};
use super::order::{Ordered, order};
use super::{
    Tell, behind, deed, fuse, inner, journal, kept, last_signal, main_process, outside, pidfiles, survivors,
    unseen,
};
use crate::ask::Kill;
use crate::ending::Ending;
use crate::lookup::Root;
use crate::report::model::Receipt;
use crate::report::{human, message};
use crate::tier::Tracker;

/// The order to one of those that were `named`, and everything that is told of it.
pub fn one(
    t: &Tracker,
    root: &Root,
    named: &[Root],
    k: &Kill,
    tell: &dyn Tell,
) -> Result<(Receipt, &'static str), Failure> {
    fuse::check(std::iter::once((t, root)), k)?;
    let active = k.signal != 0 && !k.dry_run;
    if active {
        kept::ready(t, &k.receipts)?;
    }
    if !k.dry_run && !k.require_exact {
        let asked = inner::Asked { picks: &k.whom.sets, include_self: k.include_self };
        inner::say(t, root, named, k.signal, asked, tell);
    }
    // Read before nobody is there any more.
    let way = if active && inner::ends(k.signal) { official::of(t, root) } else { Way::default() };
    let behind = if active { behind::say(t, root, tell) } else { None };
    let Ordered { receipt: mut r, failure } = order(t, root, k, tell)?;
    r.notes.extend(behind);
    if k.dry_run && k.signal != 0 {
        r.outside = Some(outside::of(t, root, r.targets.iter().map(|x| (x.process.pid, x.process.start))));
    }
    if active {
        let uid = rustix::process::getuid().as_raw();
        let _ = t.note_kill(root.slot, k.signal, uid, r.ending.code());
        last_signal::remember(t, root, k.signal, r.ending, &[&r]);
        if r.empty {
            pidfiles::ended(t, root);
            unseen::remember(t);
        }
    }
    let next = if r.empty { official::after(&way, &r.service, k.zap) } else { None };
    if let Some(next) = next {
        tell.message(&message::render(&format!("'{}': {next}", r.service), None, None));
        r.notes.push(next);
    }
    if active {
        r.kept = kept::keep(&k.receipts, tell, || deed::of_order(t, &r));
        r.ending = kept::judged(&k.receipts, r.kept.as_ref(), r.ending);
    }
    let none = r.main_pid.is_none() && r.tasks > 0 && k.whom.names_main();
    if none {
        main_process::say_why(t, root, tell);
    }
    let gone = none && r.ending.is_good();
    if gone {
        tell.fail(&no_main(t, root, &r, k));
    }
    let failure = failure.map(|f| match none && f.ending == Ending::Nobody {
        // Also where that is a failure.
        true => Failure { why: f.why, ..main_process::gone(t, root).with(f.ending) },
        false => f,
    });
    if let Some(f) = failure {
        if active {
            journal::judgement(&r.service, &f);
        }
        survivors::complain(&f, &[&r.survivors[..], &r.unreaped].concat(), tell);
        tell.message(&human::refused(&r));
    } else if let Some(f) = survivors::nobody(&r).filter(|_| !gone) {
        tell.fail(&f);
    }
    if !r.ending.lists_who() {
        survivors::say_unreaped(&r.service, &r.unreaped, tell);
    }
    let word = became(&r);
    Ok((r, word))
}

/// What is said when the main process was named, is gone, and that is no failure.
fn no_main(t: &Tracker, root: &Root, r: &Receipt, k: &Kill) -> Failure {
    let f = main_process::gone(t, root);
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
