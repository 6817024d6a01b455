//! Lets a frozen set go on, also one that an interrupted freeze or thaw has left.

use std::time::Duration;

use killer_common::record::{R_FREEZING, R_THAWING, R_UNDONE};

use super::certainty::Doubt;
use super::failure::Failure;
use super::receipt::{Done, receipt};
use super::{behind, frozen, models, survivors};
use crate::ask::fuse::Fuse;
use crate::ask::receipts::Receipts;
use crate::ask::whom::Whom;
use crate::ask::{Kill, Names, Newborns};
use crate::ending::Ending;
use crate::kill::{Order, Outcome, SIGCONT, SIGSTOP, thaw as let_go};
use crate::lineage::Lineage;
use crate::lookup::{Root, process, registry};
use crate::report::human;
use crate::report::model::{Counts, Moment, Receipt};
use crate::sys::alive::alive;
use crate::sys::clock;
use crate::tier::Tracker;

/// How long members may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the engine is asked of everybody.
pub fn order() -> Order {
    let callers = process::callers();
    Order { unread: behind::guarded(&callers), ..Order::to_all(SIGSTOP, callers.pids(), PATIENCE) }
}

/// A signal to everybody of a service.
pub fn asked(name: &str, signal: i32) -> Kill {
    Kill {
        names: Names::one(name),
        signal,
        whom: Whom::default(),
        value: None,
        wait: None,
        dry_run: false,
        require_exact: false,
        include_self: false,
        zap: false,
        unstick: None,
        newborns: Newborns::Signal,
        patience: None,
        fuse: Fuse::default(),
        receipts: Receipts::default(),
    }
}

/// Thaws a root under the lock that the caller holds.
pub fn release(t: &Tracker, root: &Root) -> Result<Receipt, Failure> {
    let mut notes = side_effects(t, root);
    notes.extend(frozen::doubts(t, root));
    let mut family = Lineage::new(t, root.clone());
    let before = survivors::counts(&family);
    let started = Moment(clock::boottime_ns());
    let outcome = let_go(&mut family, &order())?;
    let ending = Ending::of_thaw(outcome.survivors.len(), outcome.unsure, !outcome.targets.is_empty());
    if outcome.unsure {
        notes.push("not every member could be looked up: the next call of killer lets the rest go on".into());
    }
    // A process that is not known was not stopped: a thaw leaves none behind.
    Ok(recorded(&family, SIGCONT, Passed { outcome: &outcome, before, notes, started, ending, doubt: None }))
}

/// What a pass over a set has done, for its receipt.
pub struct Passed<'a> {
    /// What the engine did.
    pub outcome: &'a Outcome,
    /// Before.
    pub before: Counts,
    /// Anything else.
    pub notes: Vec<String>,
    /// When it began.
    pub started: Moment,
    /// How it ended.
    pub ending: Ending,
    /// Why that may not be all of it.
    pub doubt: Option<&'a Doubt>,
}

/// Its receipt.
pub fn recorded(family: &Lineage<'_>, signal: i32, p: Passed<'_>) -> Receipt {
    let (t, root, o) = (family.tracker(), family.root(), p.outcome);
    receipt(&Done {
        family,
        k: &asked(&root.name, signal),
        main: models::main_of(t, root),
        ending: p.ending,
        doubt: p.doubt,
        outcome: o,
        before: p.before,
        unstick: Vec::new(),
        survivors: o.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect(),
        unreaped: Vec::new(),
        released: (None, None),
        notes: p.notes,
        started: p.started,
        line: Vec::new(),
    })
}

/// What a freeze has done to the program beyond holding it.
pub fn side_effects(t: &Tracker, root: &Root) -> Vec<String> {
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

/// Lets every process go that a `killer`, which died in the middle, has left stopped.
pub fn settle(t: &Tracker) -> Result<(), Failure> {
    const UNDER_WAY: u64 = R_FREEZING | R_THAWING;
    let left = |r: &killer_common::record::RootRecord| {
        r.flags & UNDER_WAY != 0 && !alive(r.freezer_tgid, r.freezer_start)
    };
    for (slot, r) in t.roots() {
        if !left(&r) {
            continue;
        }
        let _lock = t.lock()?;
        let Some(root) = registry::in_slot(t, slot).filter(|n| left(&n.record)) else { continue };
        // What could not be let go stays for the call after this one.
        if release(t, &root)?.ending.is_good()
            && let Some(f) = t.freezer()
        {
            f.freeze(root.slot, R_UNDONE)?;
        }
    }
    Ok(())
}
