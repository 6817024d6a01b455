//! Exactness: derived from reasons, and nothing that could add one is ignored.

use killer_common::reason;
use killer_common::record::{R_SUPERVISED, RootRecord};

use super::record::StopRecord;
use crate::keep::Health;
use crate::keep::Slot;
use crate::kernel::tier::Tier;
use crate::lookup::{Root, registry};
use crate::sys::alive::alive;
use crate::tier::Tracker;

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

/// What one call sees of one live root.
struct Seen<'a> {
    t: &'a Tracker,
    health: &'a Health,
    slot: Slot,
    root: &'a RootRecord,
}

impl Seen<'_> {
    /// Runs of hooks that the kernel has skipped, and nobody has accounted for yet.
    fn skipped(&self) -> u64 {
        self.health.misses.saturating_sub(self.health.misses_noted)
    }
}

/// One way in which a set may have become incomplete since the last call.
struct Notice {
    reason: u32,
    /// How often it has happened; 0: not at all.
    times: fn(&Seen<'_>) -> u64,
    /// What happens once stays so, and is counted once. A look is made only while it is not counted.
    once: bool,
}

const fn once(reason: u32, times: fn(&Seen<'_>) -> u64) -> Notice {
    Notice { reason, times, once: true }
}

const NOTICES: [Notice; 6] = [
    // Births and ends have a witness that nothing skips; what the walk mended was the index.
    Notice {
        reason: reason::MISSED_HOOK,
        times: |s| if s.t.cannot_miss() { 0 } else { s.skipped() },
        once: false,
    },
    once(reason::TRACKER_GAP, |s| u64::from(!s.health.missing_links.is_empty())),
    once(reason::CLASSIC, |s| u64::from(s.health.classic)),
    once(reason::RESIZED, |s| u64::from(s.health.limits_raised)),
    once(reason::WITNESS_DIFFERS, |s| u64::from(s.t.differs(s.slot))),
    // Where the kernel counts, the set is as complete as before: that is a note of `status`.
    once(reason::SUPERVISOR, |s| u64::from(s.t.tier() == Tier::Scan && unsupervised(s.t, s.slot, s.root))),
];

/// Counts against every live root what was noticed since the last call: skipped hook runs (repaired by a walk),
/// links that are gone, limits that were raised, supervisors that died.
pub fn account(t: &Tracker) -> std::io::Result<()> {
    let hooks = t.hooks();
    let health = hooks.map(|h| h.health()).unwrap_or_default();
    let hooks = hooks.filter(|_| health.misses > health.misses_noted);
    if let Some(hooks) = hooks {
        hooks.repair()?;
    }
    for (slot, root) in t.roots() {
        if t.count(slot) == 0 {
            continue;
        }
        let counted = t.reasons(slot);
        let seen = Seen { t, health: &health, slot: Slot { slot, generation: root.generation }, root: &root };
        for n in &NOTICES {
            let known = n.once && counted.is_some_and(|c| c.count[n.reason as usize] != 0);
            let times = if known { 0 } else { (n.times)(&seen) };
            if times != 0 {
                t.reason_times(seen.slot, n.reason, times)?;
            }
        }
    }
    if let Some(hooks) = hooks {
        hooks.note_misses(health.misses)?;
    }
    Ok(())
}

/// Counts against a root what the cross-check, where there is one, says otherwise; to be asked again when all are dead.
pub fn second_look(t: &Tracker, slot: Slot) {
    let counted = t.reasons(slot.slot).is_some_and(|c| c.count[reason::WITNESS_DIFFERS as usize] != 0);
    if !counted && t.differs(slot) {
        let _ = t.reason(slot, reason::WITNESS_DIFFERS);
    }
}

/// True when nobody stays any more to end a service of `run --kill-on-exit`.
pub fn unsupervised(t: &Tracker, slot: Slot, r: &RootRecord) -> bool {
    r.flags & R_SUPERVISED != 0 && !owner_lives(r) && StopRecord::watched(t, slot).is_none()
}

/// True while the `killer` that made the root is alive.
pub fn owner_lives(r: &RootRecord) -> bool {
    alive(r.owner_tgid, r.owner_start)
}

/// Reasons against a root, its other instances, and the roots inside of them. Empty: exact.
pub fn reasons(t: &Tracker, root: &Root) -> Vec<Counted> {
    let mut places = registry::places(t, root);
    if places.is_empty() {
        // It has ended meanwhile: what was counted against it stands until its slot is used again.
        places.push(root.slot);
    }
    let records: Vec<_> = places.iter().filter_map(|s| t.reasons(s.slot)).collect();
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
