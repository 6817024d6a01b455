//! A promise of `run --kill-on-exit` that the kernel has kept: nobody of `killer` was there, so the next call that comes by writes the
//! receipt.

use killer_common::record::R_SUPERVISED;

use super::deed::{Ends, Frame, Processes};
use super::{Silent, exact, kept, models, remembered};
use crate::ask::receipts::Receipts;
use crate::ending::Ending;
use crate::keep::Promises;
use crate::lookup::{Root, registry};
use crate::report::model::{Counts, Deed, Process};
use crate::tier::Tracker;

/// Writes what is owed of these services, once. The registry is locked.
pub fn settle(t: &Tracker, roots: &[Root]) {
    let Some(promises) = t.promises() else { return };
    for r in roots.iter().filter(|r| ended(t, r)) {
        if let Some((due, last)) = promises.untold(r.slot) {
            write(t, r, due, last);
            if let Err(e) = promises.told(r.slot) {
                log::warn!("'{}': its receipt is written, and may be written again: {e}", r.name);
            }
        }
    }
}

/// The same for a call that has no lock, and only looks.
pub fn look(t: &Tracker, roots: &[Root]) {
    let owes = |p: &dyn Promises, r: &Root| ended(t, r) && p.untold(r.slot).is_some();
    if t.promises().is_some_and(|p| roots.iter().any(|r| owes(p, r)))
        && let Ok(_lock) = t.lock()
    {
        let again: Vec<Root> = roots.iter().filter_map(|r| registry::again(t, r)).collect();
        settle(t, &again);
    }
}

/// Nobody is left, and nobody stays to end it.
fn ended(t: &Tracker, r: &Root) -> bool {
    r.record.flags & R_SUPERVISED != 0
        && t.count(r.slot.slot) == 0
        && exact::unsupervised(t, r.slot, &r.record)
}

fn write(t: &Tracker, r: &Root, due: u64, last: u64) {
    let mut all = Processes::default();
    let found = remembered::ended_of(t, r.slot).unwrap_or_default();
    for e in &found {
        let it = Process {
            pid: e.pid,
            start: e.start,
            inode: e.inode,
            comm: e.comm.clone().unwrap_or_default(),
            uid: e.uid.unwrap_or_default(),
            creator: e.creator.unwrap_or_default(),
            service: r.name.clone(),
            ..Process::default()
        };
        match e.end.exit_signal.as_deref() {
            Some("SIGKILL") => all.got(&it, "SIGKILL", "signalled", None),
            _ => all.was_there(&it),
        }
    }
    let exactness = models::exactness(t, r);
    let ever = t.pop(r.slot.slot).processes;
    let frame = Frame {
        form: "kill-on-exit",
        service: &r.name,
        whom: "all",
        line: &[],
        ending: (Ending::Stopped.word(), Ending::Stopped.code()),
        tier: t.tier().name(),
        exactness: &exactness,
        counts: (Counts { processes: found.len() as u64, tasks: 0 }, Counts::default()),
        empty: true,
        began: due,
    };
    let ends = Ends { over: true, survivors: &[], tracker: t };
    let notes = vec![
        format!(
            "the kernel kept the promise: the launcher and the supervisor of --kill-on-exit had ended before the service at {}; from \
             then on it sent SIGKILL to every process it found, and saw the last one at {}",
            models::when(due),
            models::when(last)
        ),
        format!(
            "this receipt is written by the call that found it; processes are those that are remembered, of {ever} that there were"
        ),
    ];
    let took_us = last.saturating_sub(due) / 1000;
    let made = || Deed { took_us, notes, ..frame.deed(vec!["SIGKILL".into()], all, &ends) };
    kept::keep(&Receipts::default(), &Silent, made);
}
