//! How well a frozen service is held: which members run although it is, and what may have run unnoticed.

use killer_common::record::{Member, R_FREEZING, R_FROZEN, R_THAWING, R_UNDONE};

use super::models;
use crate::lineage::{Freezing, Lineage, Still};
use crate::lookup::{Root, registry};
use crate::report::human;
use crate::report::model::Frozen;
use crate::tier::Tracker;

/// What the state of a service is called while it is frozen.
pub fn word(f: &Frozen) -> Option<&'static str> {
    match f.state.as_str() {
        "freezing" => Some("freezing"),
        "frozen" if f.awake.is_empty() && f.unknown.is_empty() => Some("frozen"),
        "frozen" => Some("woken"),
        _ => None,
    }
}

/// Members that run now, because another process has sent them SIGCONT, and those of which that is not known.
pub fn awake(t: &Tracker, root: &Root, members: &[Member]) -> (Vec<u32>, Vec<u32>) {
    let family = Lineage::new(t, root.clone());
    let (mut awake, mut unknown) = (Vec::new(), Vec::new());
    for (m, still) in members.iter().zip(family.stillness(members)) {
        match still {
            Still::Runs(_) => awake.push(m.tgid),
            Still::Asleep | Still::Unknown => unknown.push(m.tgid),
            Still::Gone | Still::Stopped | Still::Waits => {}
        }
    }
    (awake, unknown)
}

/// Runs of the hook on signals that the kernel has skipped since a root was frozen.
pub fn unheard(t: &Tracker, at: &killer_common::record::RootRecord) -> u32 {
    // A look that fails is told by the caller, which asks whether all of them went well.
    let now = t.freezer().and_then(|f| f.unheard().ok().flatten());
    now.map_or(0, |now| now.wrapping_sub(at.skipped))
}

/// What makes it doubtful that nobody ran while it was frozen.
pub fn doubts(t: &Tracker, root: &Root) -> Option<String> {
    let r = t.root(root.slot.slot).filter(|r| r.flags & (R_FREEZING | R_FROZEN) != 0)?;
    if t.freezer().is_some_and(|f| f.unheard().is_err()) {
        return Some(
            "whether the kernel skipped runs of the hook on signals cannot be told: a process may have run"
                .into(),
        );
    }
    let n = unheard(t, &r);
    (n != 0).then(|| human::unheard(n))
}

/// How a service is held, with these members; `None` when it is not, and was not.
pub fn state(t: &Tracker, root: &Root, members: &[Member]) -> Option<Frozen> {
    let at = registry::frozen(t, root.slot.slot);
    let r = t.root(at.unwrap_or(root.slot.slot))?;
    let state = match r.flags & (R_FREEZING | R_FROZEN | R_THAWING | R_UNDONE) {
        0 => return None,
        f if f & R_FROZEN != 0 => "frozen",
        f if f & R_FREEZING != 0 => "freezing",
        f if f & R_THAWING != 0 => "thawing",
        _ => "undone",
    };
    let held = state == "frozen";
    let (awake, unknown) = if held { awake(t, root, members) } else { Default::default() };
    Some(Frozen {
        state: state.into(),
        with: at.filter(|s| *s != root.slot.slot).and_then(|s| registry::in_slot(t, s)).map(|r| r.name),
        since: models::when(r.frozen_at),
        age_s: models::seconds_since(r.frozen_at),
        awake,
        unknown,
        wakes: r.wakes,
        stops_again: t.broadcasts().is_some_and(|b| b.sends_at_birth()),
        unheard: if held { unheard(t, &r) } else { 0 },
        hangups: r.hangups,
    })
}
