//! The dead: those with living descendants, which nothing pushes out, and the last ones of the others.

use std::collections::{HashMap, HashSet};
use std::io;

use killer_common::names::ANCESTORS;
use killer_common::record::{Dead, Member, TaskKey};

use super::pins;
use super::programs::Programs;
use crate::keep::{Registry, Sets, What};
use crate::sys::alive::Identity;
use crate::sys::bpf::{self, Hash};

/// Elements are recycled under readers: what does not say its own number is another's.
fn ended((k, m): (TaskKey, Member)) -> Option<Dead> {
    (Identity::of(&m) == Identity { pid: k.tgid, start: k.start })
        .then_some(Dead { member: m.whole(), ended: m.ended })
}

/// Of some ancestors those that nobody alive descends from, as far as creators are known.
fn idle(ancestors: &[Dead], others: &[Dead], living: &[Member]) -> Vec<Identity> {
    let up: HashMap<Identity, Identity> = others
        .iter()
        .chain(ancestors)
        .map(|d| (Identity::of(&d.member), Identity::creator(&d.member)))
        .collect();
    let mut used: HashSet<Identity> = HashSet::new();
    for m in living {
        used.insert(Identity::of(m));
        let mut at = Identity::creator(m);
        while used.insert(at) {
            match up.get(&at) {
                Some(next) => at = *next,
                None => break,
            }
        }
    }
    ancestors.iter().map(|d| Identity::of(&d.member)).filter(|k| !used.contains(k)).collect()
}

impl Programs {
    /// Opened for each use: few calls look at it, and a caller may have few descriptors.
    fn ancestors(&self) -> io::Result<Vec<(TaskKey, Member)>> {
        let pin = self.paths().version().join("maps").join(ANCESTORS);
        let opened = pins::in_host_mounts(self.paths(), || bpf::obj_get(&pin).what("opening a map"));
        Hash::new(opened.map_err(io::Error::other)?)?.all(4096)
    }

    /// Members that have ended, as far as they are remembered: all with living descendants, and the last of the others.
    pub(super) fn remembered(&self) -> io::Result<Vec<Dead>> {
        // In this order: an entry goes from one to the other, and is in both for a moment.
        let mut all: HashMap<TaskKey, Member> = self.ancestors()?.into_iter().collect();
        all.extend(self.dead_map()?.all(4096)?);
        Ok(all.into_iter().filter_map(ended).collect())
    }

    /// Lets those go whose descendants are all gone: two ends at once can have left one behind. Answers how many; the
    /// memory is no more exact for it, but has place for others.
    ///
    /// # Errors
    /// Of the look-ups.
    pub fn let_ancestors_go(&self) -> io::Result<usize> {
        let ancestors: Vec<Dead> = self.ancestors()?.into_iter().filter_map(ended).collect();
        if ancestors.is_empty() {
            return Ok(0);
        }
        // A process that dies after the first read is alive in the second or dead in the third: no link of a living
        // lineage is missed.
        // Twice: one whose record goes elsewhere while all are read may be missing.
        let living = [self.all_members()?, self.all_members()?].concat();
        let idle = idle(&ancestors, &self.remembered()?, &living);
        for dead in &idle {
            self.let_go(*dead)?;
        }
        Ok(idle.len())
    }

    /// The same when the memory is half full, or one root has used up half of its share; for calls that look.
    pub fn tidy_ancestors(&self) {
        let all = self.global().ancestors;
        if all == 0 {
            return;
        }
        let Ok(most) = self.ancestors_most() else { return };
        let half = u64::from(most) / 2;
        let most_of_one = self.roots().iter().map(|(_, r)| r.ancestors as i64).max().unwrap_or(0);
        if all > half || most_of_one > i64::from(most) / 8 {
            match self.let_ancestors_go() {
                Ok(n) => log::debug!("{n} dead ancestors without living descendants let go"),
                Err(e) => log::debug!("dead ancestors are not let go: {e}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(tgid: u32, creator_tgid: u32) -> Member {
        let (leader_start, creator_start) = (tgid.into(), creator_tgid.into());
        Member { tgid, leader_start, creator_tgid, creator_start, ..Member::default() }
    }

    fn dead(tgid: u32, creator_tgid: u32) -> Dead {
        Dead { member: member(tgid, creator_tgid), ended: 1 }
    }

    #[test]
    fn who_has_living_descendants_stays() {
        // 9 lives below 3, 2 (in the other map) and 1; 5 and 4 have nobody; 7's creator is itself.
        let ancestors = [dead(1, 0), dead(3, 2), dead(4, 1), dead(5, 4), dead(7, 7)];
        let mut gone = idle(&ancestors, &[dead(2, 1)], &[member(9, 3)]);
        gone.sort_unstable();
        assert_eq!(gone.iter().map(|p| p.pid).collect::<Vec<_>>(), [4, 5, 7]);
        assert!(idle(&ancestors[..1], &[], &[member(1, 0)]).is_empty());
    }
}
