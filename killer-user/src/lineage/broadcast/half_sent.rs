//! Claims of a sweeper that died between claim and send: sent at most once, by nobody again, and told.

use std::sync::atomic::Ordering;

use killer_common::claim;
use killer_common::record::Member;

use crate::lineage::family::Members;
use crate::lineage::set::Lineage;
use crate::sys::clock;

/// A claim of an older broadcast may be a number's former owner's: newborns' words are written while it holds.
const HOLD_NS: u64 = 2_000_000_000;

/// Members whose signal has an unknown outcome, and that signal.
pub fn half_sent(f: &Lineage<'_>) -> Vec<(Member, i32)> {
    let behind = clock::boottime_ns().saturating_sub(clock::monotonic_ns());
    let Some(broadcasts) = f.tracker().broadcasts() else { return Vec::new() };
    let claimed = |t: &u32| {
        let word = broadcasts.claim(*t)?.load(Ordering::SeqCst);
        matches!(word & 3, claim::CLAIMED | claim::UNKNOWN).then_some((*t, word))
    };
    f.listed()
        .iter()
        .filter_map(claimed)
        .filter_map(|(t, word)| {
            let m = f.member(t).ok().flatten()?;
            let old = m.born <= claim::epoch_of(word) + behind + HOLD_NS;
            old.then(|| (m, claim::signal_of(word) as i32))
        })
        .collect()
}

impl Lineage<'_> {
    /// The same while no sweeper lives: each is told once, and from here on is nobody's to send.
    pub fn tell_unknown(&self) -> Vec<(Member, i32)> {
        let found = half_sent(self);
        if found.is_empty() {
            return found;
        }
        // The lock goes with its holder: a caller that has it knows that no other sweeper is between claim and send.
        let Some(broadcasts) = self.tracker().broadcasts() else { return Vec::new() };
        let Ok(_lock) = self.tracker().lock() else { return Vec::new() };
        let fresh = |m: &Member| {
            let Some(w) = broadcasts.claim(m.tgid) else { return false };
            let old = w.load(Ordering::SeqCst);
            old & 3 == claim::CLAIMED
                && w.compare_exchange(old, old & !3 | claim::UNKNOWN, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
        };
        found.into_iter().filter(|(m, _)| fresh(m)).collect()
    }
}
