//! How well a frozen service is held: who runs although it is, and what may have run unnoticed.

use killer_common::record::{R_FREEZING, R_FROZEN, R_THAWING, R_UNDONE};

use super::{Failure, doubt, facts};
use crate::lineage::{Family, Lineage, Still};
use crate::report::human;
use crate::report::model::Frozen;
use crate::target::{Root, registry};
use crate::tier::Tracker;

/// For `list`: `None` when it is not frozen.
pub fn word(t: &Tracker, root: &Root) -> Option<&'static str> {
    let at = t.root(registry::frozen(t, root.slot.slot)?)?;
    Some(match at.flags & R_FROZEN {
        0 => "freezing",
        _ if awake(t, root) == (Vec::new(), Vec::new()) => "frozen",
        _ => "woken",
    })
}

/// Members that run now, because somebody has sent them SIGCONT, and those of whom that is not known.
fn awake(t: &Tracker, root: &Root) -> (Vec<u32>, Vec<u32>) {
    let family = Lineage::new(t, root.clone());
    let (mut awake, mut unknown) = (Vec::new(), Vec::new());
    for m in family.members(&family.listed()) {
        match family.stillness(&m) {
            Still::Runs(_) => awake.push(m.tgid),
            Still::Asleep | Still::Unknown => unknown.push(m.tgid),
            Still::Gone | Still::Stopped | Still::Waits => {}
        }
    }
    (awake, unknown)
}

/// Runs of the hook on signals that the kernel has skipped since a root was frozen.
fn unheard(t: &Tracker, at: &killer_common::record::Root) -> u32 {
    // A look that fails is told by whoever asks whether all of them went well.
    t.unheard().ok().flatten().map_or(0, |now| now.wrapping_sub(at.skipped))
}

/// What makes it doubtful that nobody ran while it was frozen.
pub fn doubts(t: &Tracker, root: &Root) -> Option<String> {
    let r = t.root(root.slot.slot).filter(|r| r.flags & (R_FREEZING | R_FROZEN) != 0)?;
    if t.unheard().is_err() {
        return Some(
            "whether the kernel skipped runs of the hook on signals cannot be told: a process may have run"
                .into(),
        );
    }
    let n = unheard(t, &r);
    (n != 0).then(|| human::unheard(n))
}

/// For `status`.
pub fn state(t: &Tracker, root: &Root) -> Result<Option<Frozen>, Failure> {
    let at = registry::frozen(t, root.slot.slot);
    let Some(r) = t.root(at.unwrap_or(root.slot.slot)) else { return Ok(None) };
    let state = match r.flags & (R_FREEZING | R_FROZEN | R_THAWING | R_UNDONE) {
        0 => return Ok(None),
        f if f & R_FROZEN != 0 => "frozen",
        f if f & R_FREEZING != 0 => "freezing",
        f if f & R_THAWING != 0 => "thawing",
        _ => "undone",
    };
    let held = state == "frozen";
    let (awake, unknown) = if held { awake(t, root) } else { Default::default() };
    let frozen = Frozen {
        state: state.into(),
        with: at.filter(|s| *s != root.slot.slot).and_then(|s| registry::in_slot(t, s)).map(|r| r.name),
        since: facts::when(r.frozen_at),
        age_s: facts::seconds_since(r.frozen_at),
        awake,
        unknown,
        wakes: r.wakes,
        stops_again: t.decides_newborns(),
        unheard: if held { unheard(t, &r) } else { 0 },
        hangups: r.hangups,
    };
    doubt::sound(t)?;
    Ok(Some(frozen))
}
