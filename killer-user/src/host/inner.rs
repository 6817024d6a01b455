//! Services inside of the one that is named: a signal that ends it ends them, too.

use std::time::Duration;

use super::Tell;
use crate::ask::name;
use crate::ask::whom::Pick;
use crate::kill::{Order, SIGKILL, execute};
use crate::lineage::Lineage;
use crate::lookup::{Root, process, registry};
use crate::report::message;
use crate::report::model::Signalled;
use crate::tier::Tracker;

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;

/// True for what a service is asked, or made, to end with.
pub fn ends(signal: i32) -> bool {
    matches!(signal, SIGKILL | SIGTERM | SIGINT | SIGQUIT)
}

/// Names of services inside of a root that have a live process, in their order in the registry.
pub fn inside(t: &Tracker, root: &Root) -> Vec<String> {
    let inner = registry::places(t, root).into_iter().filter(|s| !root.instances().any(|own| own == *s));
    let living = inner.filter(|s| t.count(s.slot) != 0);
    living.filter_map(|s| registry::in_slot(t, s.slot)).map(|r| r.name).collect()
}

/// Which processes the signal is for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The sets.
    pub picks: &'a [Pick],
    /// Sets with the caller or its ancestors are meant.
    pub include_self: bool,
}

/// Names of the inner services that the targets of a signal belong to.
pub fn of_targets(signal: i32, service: &str, targets: &[Signalled]) -> Vec<String> {
    let mut v = Vec::new();
    for s in targets.iter().filter(|_| ends(signal)).map(|p| &p.process.service) {
        if s != service && !s.is_empty() && !v.contains(s) {
            v.push(s.clone());
        }
    }
    v
}

/// Says, before anything is done, which services end with a root although nobody named them; answers their names.
pub fn say(
    t: &Tracker,
    root: &Root,
    named: &[Root],
    signal: i32,
    all: Asked<'_>,
    tell: &dyn Tell,
) -> Vec<String> {
    let mut inner = if ends(signal) { inside(t, root) } else { Vec::new() };
    inner.retain(|i| named.iter().all(|r| r.name != *i));
    if inner.is_empty() {
        return inner;
    }
    // A call that is refused does nothing, and one set of members may have none of theirs.
    let callers = process::callers();
    let order = Order {
        picks: all.picks.to_vec(),
        main: super::models::main_of(t, root).map(|m| m.process),
        near: process::near(&callers.known),
        unread: super::behind::guarded(&callers),
        kept: super::instances::kept(t, root),
        home: super::record::StopRecord::of(t, root.slot).home,
        glob: name::matches,
        dry_run: true,
        include_self: all.include_self,
        ..Order::to_all(signal, callers.pids(), Duration::ZERO)
    };
    let Ok(o) = execute(&mut Lineage::new(t, root.clone()), &order) else { return Vec::new() };
    let of = |slot| registry::in_slot(t, slot).map(|r| r.name);
    inner.retain(|i| o.targets.iter().any(|x| of(x.member.root).as_ref() == Some(i)));
    if !inner.is_empty() {
        let text = format!("'{}' also ends: {}", root.name, inner.join(", "));
        tell.message(&message::render(&text, None, None));
    }
    inner
}
