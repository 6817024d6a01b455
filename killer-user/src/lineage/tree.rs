//! The lineage as it was forked: living members, and the dead ones that have living descendants.

use crate::sys::alive::Identity;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use killer_common::record::{B_ADOPTED, B_CONTROL, B_KID, B_MAIN, Dead, Member};

/// A process of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its entry.
    pub member: Member,
    /// When it ended, CLOCK_BOOTTIME ns; `None` while it lives.
    pub ended: Option<u64>,
    /// It stands at the top although it was forked by a member: so many ancestors within the family are no longer
    /// known; 0: nobody knows how many.
    pub unknown: Option<u32>,
    /// What it forked.
    pub children: Vec<Node>,
}

/// Without recursion: a lineage can be a hundred thousand deep.
impl Drop for Node {
    fn drop(&mut self) {
        let mut below = std::mem::take(&mut self.children);
        while let Some(mut n) = below.pop() {
            below.append(&mut n.children);
        }
    }
}

/// How many ancestors of a member are missing when its creator is not there: `None` when nobody is missing. `slot` is the
/// family's own root, and `outside` how many members of outer ones are above that.
///
/// Every process of a root descends from one that a launcher made or an adoption found, and knows how many forks ago.
pub fn missing(m: &Member, slot: u32, outside: u32) -> Option<u32> {
    let first = m.flags & (B_MAIN | B_CONTROL) != 0 && m.depth == 0;
    if m.flags & B_KID == 0 {
        // Its creator was no member, or nobody saw it being born.
        return (!first && m.flags & B_ADOPTED == 0).then_some(0);
    }
    match (m.root == slot, first) {
        // Its launcher is outside.
        (true, true) => None,
        (true, false) => Some(m.depth.max(1)),
        (false, _) => Some((m.depth + m.above.saturating_sub(outside)).max(1)),
    }
}

/// Processes that are to be in a forest, each by its place in the list.
struct Known {
    /// Entries, and when they ended.
    all: Vec<(Member, Option<u64>)>,
    /// Place of the creator, where it is known.
    up: Vec<Option<usize>>,
}

impl Known {
    /// The living, and those of the dead that belong to the family.
    fn of(living: &[Member], dead: &[Dead], within: &dyn Fn(u32, u32) -> bool) -> Self {
        let dead = dead.iter().filter(|d| within(d.member.root, d.member.generation));
        let listed = dead.map(|d| (d.member, Some(d.ended))).chain(living.iter().map(|m| (*m, None)));
        let mut all: Vec<(Member, Option<u64>)> = Vec::with_capacity(living.len());
        let mut places: HashMap<Identity, usize> = HashMap::with_capacity(living.len());
        for one in listed {
            // One that is in both lists lives.
            match places.entry(Identity::of(&one.0)) {
                Entry::Occupied(place) => all[*place.get()] = one,
                Entry::Vacant(place) => {
                    place.insert(all.len());
                    all.push(one);
                }
            }
        }
        let up = all.iter().map(|(m, _)| places.get(&Identity::creator(m)).copied()).collect();
        Self { all, up }
    }

    /// The living and their ancestors.
    fn kept(&self) -> Vec<bool> {
        let mut keep = vec![false; self.all.len()];
        for (i, (_, ended)) in self.all.iter().enumerate() {
            let mut at = Some(i).filter(|_| ended.is_none());
            while let Some(i) = at.filter(|i| !std::mem::replace(&mut keep[*i], true)) {
                at = self.up[i];
            }
        }
        keep
    }

    /// Order among those that one process forked, and among tops.
    fn age(&self, i: usize) -> (u64, u32) {
        (self.all[i].0.born, self.all[i].0.tgid)
    }
}

/// Builds the forest of the root in `slot`. `within` says whether a root's slot and generation belong to the family.
pub fn tree(slot: u32, living: &[Member], dead: &[Dead], within: &dyn Fn(u32, u32) -> bool) -> Vec<Node> {
    let known = Known::of(living, dead, within);
    let keep = known.kept();
    let mut order: Vec<usize> = (0..keep.len()).filter(|i| keep[*i]).collect();
    order.sort_by_key(|i| known.age(*i));
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); keep.len()];
    let mut tops = Vec::new();
    for &i in &order {
        // What is kept has its creator kept, where that is known.
        match known.up[i].filter(|up| *up != i) {
            Some(up) => children[up].push(i),
            None => tops.push(i),
        }
    }
    let mut shown = vec![false; keep.len()];
    let mut forest: Vec<Node> = tops.iter().map(|i| node(*i, &known, &children, &mut shown)).collect();
    let outside = known.all.iter().filter(|(m, _)| m.root == slot).map(|(m, _)| m.above).min().unwrap_or(0);
    for top in &mut forest {
        top.unknown = missing(&top.member, slot, outside);
    }
    // Entries are read while elements are recycled: creators in a ring have no top. Nobody is left out for that.
    for i in order {
        if shown[i] {
            continue;
        }
        let mut seen = HashSet::new();
        let mut top = i;
        while seen.insert(top) {
            top = known.up[top].unwrap_or(top);
        }
        if let Some(up) = known.up[top] {
            children[up].retain(|c| *c != top);
        }
        forest.push(node(top, &known, &children, &mut shown));
    }
    forest
}

/// Builds a node without recursion, and notes who is in it: lineages can be ten thousand deep.
fn node(top: usize, known: &Known, children: &[Vec<usize>], shown: &mut [bool]) -> Node {
    // Each with the place in this list of the one above it.
    let mut order = vec![(top, 0)];
    let mut at = 0;
    while at < order.len() {
        shown[order[at].0] = true;
        order.extend(children[order[at].0].iter().map(|c| (*c, at)));
        at += 1;
    }
    let mut below: Vec<Vec<Node>> = Vec::new();
    below.resize_with(order.len(), Vec::new);
    for (at, (i, up)) in order.iter().enumerate().skip(1).rev() {
        let node = alone(*i, known, std::mem::take(&mut below[at]));
        below[*up].push(node);
    }
    alone(top, known, std::mem::take(&mut below[0]))
}

/// One process; what it forked comes youngest first.
fn alone(i: usize, known: &Known, mut children: Vec<Node>) -> Node {
    children.reverse();
    let (member, ended) = known.all[i];
    Node { member, ended, unknown: None, children }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(tgid: u32, creator_tgid: u32) -> Member {
        Member {
            tgid,
            root: 1,
            generation: 1,
            leader_start: u64::from(tgid),
            creator_tgid,
            creator_start: u64::from(creator_tgid),
            born: u64::from(tgid % 3),
            ..Member::default()
        }
    }

    /// As the programs write them.
    fn forked(tgid: u32, creator: u32, root: u32, (depth, above): (u32, u32), flags: u32) -> Member {
        Member { root, depth, above, flags: flags | B_KID, ..member(tgid, creator) }
    }

    #[test]
    fn who_is_missing_is_counted() {
        let main = Member { flags: B_MAIN, ..member(10, 1) };
        let orphan = forked(14, 13, 1, (4, 0), 0);
        let within = |_, _| true;
        let tops = |slot, living: &[Member], dead: &[Dead]| -> Vec<(u32, Option<u32>)> {
            tree(slot, living, dead, &within).iter().map(|n| (n.member.tgid, n.unknown)).collect()
        };
        assert_eq!(tops(1, &[main, orphan], &[]), [(10, None), (14, Some(4))]);
        let dead = |m| Dead { member: m, ended: 9 };
        // Known to its grandfather: what is above that one is missing.
        let known = [dead(forked(13, 12, 1, (3, 0), 0)), dead(forked(12, 11, 1, (2, 0), 0))];
        assert_eq!(tops(1, &[orphan], &known), [(12, Some(2))]);
        // The main process of an inner service, with its launcher's end: three above it, of which one is known again.
        let inner = forked(20, 15, 2, (0, 3), B_MAIN);
        let below = forked(21, 20, 2, (1, 3), 0);
        assert_eq!(tops(1, &[main, inner, below], &[]), [(10, None), (20, Some(3))]);
        assert_eq!(tops(2, &[inner, below], &[]), [(20, None)]);
        assert_eq!(tops(2, &[below], &[]), [(21, Some(1))]);
        assert_eq!(tops(1, &[below], &[]), [(21, Some(4))]);
        // Launched from outside, adopted, seen by no hook.
        let of = |flags| missing(&Member { flags, ..member(30, 1) }, 1, 0);
        assert_eq!((of(B_CONTROL), of(B_ADOPTED), of(0)), (None, None, Some(0)));
    }

    proptest! {
        /// Any creators at all, rings and oneself among them: every living member is there, and nobody twice.
        #[test]
        fn everybody_alive_is_shown_once(
            edges in prop::collection::vec((0u32..24, any::<bool>()), 0..24),
        ) {
            let all = edges.iter().enumerate().map(|(i, (up, alive))| (member(i as u32 + 1, *up), *alive));
            let (living, dead): (Vec<_>, Vec<_>) = all.partition(|(_, alive)| *alive);
            let living: Vec<Member> = living.into_iter().map(|(m, _)| m).collect();
            let dead: Vec<Dead> = dead.into_iter().map(|(member, _)| Dead { member, ended: 9 }).collect();
            let forest = tree(1, &living, &dead, &|_, _| true);
            let mut shown: HashMap<u32, bool> = HashMap::new();
            let mut queue: Vec<&Node> = forest.iter().collect();
            while let Some(n) = queue.pop() {
                prop_assert!(shown.insert(n.member.tgid, n.ended.is_none()).is_none(), "{} twice", n.member.tgid);
                queue.extend(&n.children);
            }
            for m in &living {
                prop_assert_eq!(shown.get(&m.tgid), Some(&true));
            }
        }
    }
}
