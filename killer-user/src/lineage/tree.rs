//! The lineage as it was forked: living members, and the dead ones that have living descendants.

use std::collections::{HashMap, HashSet};

use killer_common::record::{Dead, Member};

/// A process of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its entry.
    pub member: Member,
    /// When it ended, CLOCK_BOOTTIME ns; `None` while it lives.
    pub ended: Option<u64>,
    /// Its creator was evicted from the memory of the dead, or was never a member.
    pub lost_creator: bool,
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

type Key = (u32, u64);

fn key(m: &Member) -> Key {
    (m.tgid, m.leader_start)
}

/// Builds the forest. `within` says whether a root's slot and generation belong to the family.
pub fn tree(living: &[Member], dead: &[Dead], within: &dyn Fn(u32, u32) -> bool) -> Vec<Node> {
    let mut all: HashMap<Key, (Member, Option<u64>)> = HashMap::new();
    for d in dead.iter().filter(|d| within(d.member.root, d.member.generation)) {
        all.insert(key(&d.member), (d.member, Some(d.ended)));
    }
    for m in living {
        all.insert(key(m), (*m, None));
    }
    // Keep the living and their ancestors.
    let mut keep: HashSet<Key> = HashSet::new();
    for m in living {
        let mut at = key(m);
        while keep.insert(at) {
            match all.get(&at) {
                Some((m, _)) if all.contains_key(&(m.creator_tgid, m.creator_start)) => {
                    at = (m.creator_tgid, m.creator_start);
                }
                _ => break,
            }
        }
    }
    let mut children: HashMap<Key, Vec<Key>> = HashMap::new();
    let mut tops = Vec::new();
    for k in &keep {
        let (m, _) = &all[k];
        let up = (m.creator_tgid, m.creator_start);
        if keep.contains(&up) && up != *k { children.entry(up).or_default().push(*k) } else { tops.push(*k) }
    }
    let born = |k: &Key| (all[k].0.born, k.0);
    tops.sort_by_key(born);
    for c in children.values_mut() {
        c.sort_by_key(born);
    }
    let mut forest: Vec<Node> = tops.iter().map(|k| node(*k, &all, &children)).collect();
    // Entries are read while elements are recycled: creators in a ring have no top. Nobody is left out for that.
    let mut shown = reach(&tops, &children);
    let mut rest: Vec<Key> = keep.iter().filter(|k| !shown.contains(*k)).copied().collect();
    rest.sort_by_key(born);
    let up = |k: &Key| (all[k].0.creator_tgid, all[k].0.creator_start);
    for k in rest {
        if shown.contains(&k) {
            continue;
        }
        let mut seen = HashSet::new();
        let mut top = k;
        while seen.insert(top) {
            top = up(&top);
        }
        children.entry(up(&top)).and_modify(|c| c.retain(|c| *c != top));
        shown.extend(reach(&[top], &children));
        forest.push(node(top, &all, &children));
    }
    forest
}

fn reach(from: &[Key], children: &HashMap<Key, Vec<Key>>) -> HashSet<Key> {
    let mut seen: HashSet<Key> = from.iter().copied().collect();
    let mut queue = from.to_vec();
    while let Some(k) = queue.pop() {
        queue.extend(children.get(&k).into_iter().flatten().filter(|c| seen.insert(**c)));
    }
    seen
}

/// Builds a node without recursion: lineages can be ten thousand deep.
fn node(top: Key, all: &HashMap<Key, (Member, Option<u64>)>, children: &HashMap<Key, Vec<Key>>) -> Node {
    let mut order = vec![top];
    let mut i = 0;
    while i < order.len() {
        if let Some(c) = children.get(&order[i]) {
            order.extend(c);
        }
        i += 1;
    }
    let mut done: HashMap<Key, Node> = HashMap::new();
    for k in order.iter().rev() {
        let kids =
            children.get(k).map(|c| c.iter().filter_map(|c| done.remove(c)).collect()).unwrap_or_default();
        let (member, ended) = all[k];
        done.insert(*k, Node { member, ended, lost_creator: member.creator_tgid == 0, children: kids });
    }
    done.remove(&top).unwrap_or_else(|| {
        let (member, ended) = all[&top];
        Node { member, ended, lost_creator: true, children: Vec::new() }
    })
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
            flags: 0,
            leader_start: u64::from(tgid),
            inode: 0,
            signal: 0,
            creator_tgid,
            uid: 0,
            creator_start: u64::from(creator_tgid),
            execs: 0,
            threads: 1,
            born: u64::from(tgid % 3),
            comm: [0; 16],
            walk: 0,
            reserved: [0; 4],
        }
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
            let forest = tree(&living, &dead, &|_, _| true);
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
