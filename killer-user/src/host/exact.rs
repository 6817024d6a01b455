//! Exactness: derived from reasons, and nothing that could add one is ignored.

use killer_common::reason;
use killer_common::record::{R_SUPERVISED, Root};

use super::record::StopRecord;
use crate::kernel::tier::Tier;
use crate::lookup::registry;
use crate::sys::alive::alive;
use crate::tier::{Slot, Tracker};

/// A reason that was counted against a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Short code.
    pub code: &'static str,
    /// Words.
    pub text: &'static str,
    /// How often.
    pub count: u64,
    /// First time, CLOCK_BOOTTIME ns.
    pub first: u64,
}

/// Counts against every live root what was noticed since the last call: skipped hook runs (repaired by a walk),
/// links that are gone, limits that were raised, supervisors that died.
pub fn account(t: &Tracker) -> std::io::Result<()> {
    let hooks = t.hooks();
    let h = hooks.map(|h| h.health()).unwrap_or_default();
    let missed = h.misses > h.misses_noted;
    let gap = !h.missing_links.is_empty();
    if let Some(hooks) = hooks.filter(|_| missed) {
        hooks.repair()?;
    }
    for (s, r) in t.roots() {
        let slot = Slot { slot: s, generation: r.generation };
        if t.count(s) == 0 {
            continue;
        }
        let counted = t.reasons(s);
        let has = |why: u32| counted.is_some_and(|c| c.count[why as usize] != 0);
        // Births and ends have a witness that nothing skips; what the walk mended was the index.
        if missed && !t.cannot_miss() {
            t.reason_times(slot, reason::MISSED_HOOK, h.misses - h.misses_noted)?;
        }
        if gap && !has(reason::TRACKER_GAP) {
            t.reason(slot, reason::TRACKER_GAP)?;
        }
        if h.classic && !has(reason::CLASSIC) {
            t.reason(slot, reason::CLASSIC)?;
        }
        if h.limits_raised && !has(reason::RESIZED) {
            t.reason(slot, reason::RESIZED)?;
        }
        if !has(reason::WITNESS_DIFFERS) && t.differs(slot) {
            t.reason(slot, reason::WITNESS_DIFFERS)?;
        }
        // Where the kernel counts, the set is as complete as before: that is a note of `status`.
        if unsupervised(t, slot, &r) && t.tier() == Tier::Scan && !has(reason::SUPERVISOR) {
            t.reason(slot, reason::SUPERVISOR)?;
        }
    }
    if let Some(hooks) = hooks.filter(|_| missed) {
        hooks.note_misses(h.misses)?;
    }
    Ok(())
}

/// Counts against a root what the second witness, where there is one, says otherwise; to be asked again when all are dead.
pub fn second_look(t: &Tracker, slot: Slot) {
    let counted = t.reasons(slot.slot).is_some_and(|c| c.count[reason::WITNESS_DIFFERS as usize] != 0);
    if !counted && t.differs(slot) {
        let _ = t.reason(slot, reason::WITNESS_DIFFERS);
    }
}

/// True when nobody stays any more to end a service of `run --kill-on-exit`.
pub fn unsupervised(t: &Tracker, slot: Slot, r: &Root) -> bool {
    r.flags & R_SUPERVISED != 0 && !owner_lives(r) && StopRecord::watched(t, slot).is_none()
}

/// True while the `killer` that made the root is alive.
pub fn owner_lives(r: &Root) -> bool {
    alive(r.owner_tgid, r.owner_start)
}

/// Reasons against a root and the roots inside it. Empty: exact.
pub fn reasons(t: &Tracker, slot: u32) -> Vec<Counted> {
    let family = registry::family(t, slot);
    let records: Vec<_> = family.iter().filter_map(|&s| t.reasons(s)).collect();
    reason::ALL
        .iter()
        .filter_map(|&(i, code, text)| {
            let i = i as usize;
            let count: u64 = records.iter().map(|r| r.count[i]).sum();
            let first = records.iter().map(|r| r.first[i]).filter(|&f| f != 0).min().unwrap_or(0);
            (count != 0).then_some(Counted { code, text, count, first })
        })
        .collect()
}
