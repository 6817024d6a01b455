//! An order to end all with `--unstick`: what its survivors are held by is let go, and SIGKILL is sent again.

use std::time::Duration;

use killer_common::record::Member;

use super::{Tell, unstick};
use crate::ask::Kill;
use crate::kill::{Order, Outcome, execute};
use crate::lineage::Lineage;
use crate::sys::alive::Identity;
use crate::sys::{clock, interrupt};
use crate::tier::Tracker;

/// What was done, and how long it took: a person may have thought about it, which is no part of a wait.
#[derive(Debug, Default)]
pub struct Cured {
    /// The steps.
    pub done: unstick::Done,
    /// ns.
    pub took: u64,
}

/// After the engine has named survivors. What the engine does again becomes a part of the outcome.
pub fn survivors(family: &Lineage<'_>, k: &Kill, order: &Order, o: &mut Outcome, tell: &dyn Tell) -> Cured {
    let (Some(how), began) = (k.unstick, clock::monotonic_ns()) else { return Cured::default() };
    if k.dry_run {
        return Cured { done: unstick::shown(family), took: 0 };
    }
    if o.empty || o.survivors.is_empty() || interrupt::came().is_some() {
        return Cured::default();
    }
    let left: Vec<Member> = o.survivors.iter().map(|s| s.member).collect();
    let (t, root) = (family.tracker(), family.root());
    let done = unstick::cure(family, &left, how, tell, &mut |most| again(t, root, order, o, most));
    Cured { done, took: clock::monotonic_ns().saturating_sub(began) }
}

/// After a wait in which members have ended and have not let go: an end under way can be held, too. `again`: the same wait, for so long.
pub fn late(
    family: &Lineage<'_>,
    k: &Kill,
    left: &[Member],
    tell: &dyn Tell,
    again: &mut dyn FnMut(Duration) -> bool,
) -> Option<unstick::Done> {
    let how = k.unstick.filter(|_| !left.is_empty())?;
    Some(unstick::cure(family, left, how, tell, again))
}

/// SIGKILL to all once more; true when the kernel's count is 0.
fn again(t: &Tracker, root: &crate::lookup::Root, order: &Order, o: &mut Outcome, most: Duration) -> bool {
    let order = Order { patience: most, ..order.clone() };
    let Ok(new) = execute(&mut Lineage::new(t, root.clone()), &order) else { return false };
    o.empty = new.empty;
    o.unsure |= new.unsure;
    o.survivors = new.survivors;
    o.tasks_after = new.tasks_after;
    o.passes += new.passes;
    for x in new.targets {
        let known = |y: &crate::kill::Target| Identity::of(&y.member) == Identity::of(&x.member);
        if !o.targets.iter().any(known) {
            o.targets.push(x);
        }
    }
    o.empty
}
