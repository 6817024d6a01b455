//! Who descends from a process, by the nodes of the recorder.

use std::collections::HashMap;

use killer_common::record::TaskKey;
use killer_common::recorder::{HOLDERS, N_BEFORE, N_OUTSIDE, Node};

use crate::keep::Below;

/// Those of `nodes` that live and descend from `top`, with itself.
///
/// It is whole when each node that was met is held by as many of those that are members of nothing as it says: the nodes are read one
/// after the other while processes fork and end, and one that was born behind the reader's back is counted by the node that it holds.
/// Those that were born members may come and go meanwhile. And when nothing of it can have been there before the recorder.
pub(super) fn of(nodes: &[Node], top: TaskKey) -> Below {
    let by_key: HashMap<TaskKey, &Node> = nodes.iter().map(|n| (n.key, n)).collect();
    let mut held: HashMap<TaskKey, Vec<&Node>> = HashMap::new();
    // One that was there before, or whose creator was not recorded, holds nobody, and may know who forked it.
    let mut loose: HashMap<TaskKey, Vec<&Node>> = HashMap::new();
    for n in nodes {
        match n.holder.tgid {
            0 => loose.entry(n.creator).or_default().push(n),
            _ => held.entry(n.holder).or_default().push(n),
        }
    }
    let Some(first) = by_key.get(&top) else { return Below::default() };
    // Deeper ones hold another than their creator: of those below such a one not all are found.
    let never = first.flags & N_BEFORE != 0 || first.depth >= HOLDERS;
    let mut whole = !never;
    let mut living = Vec::new();
    let mut seen = vec![*first];
    let mut i = 0;
    while i < seen.len() {
        let n = seen[i];
        i += 1;
        let mine = held.get(&n.key).map_or(&[][..], Vec::as_slice);
        let mine = if n.depth < HOLDERS { mine } else { &[] };
        // The last of the first links is held by the living ones below it, however deep.
        whole &= n.outside as usize == mine.iter().filter(|m| m.flags & N_OUTSIDE != 0 && m.refs > 0).count();
        if n.ended == 0 {
            living.push(*n);
        }
        seen.extend(mine);
        seen.extend(loose.get(&n.key).into_iter().flatten().filter(|m| m.key != n.key));
    }
    // Of deeper ones it is known who forked them as long as those are remembered.
    if first.depth >= HOLDERS {
        living.extend(
            nodes.iter().filter(|n| n.ended == 0 && n.key != top && descends(n, top, &by_key)).copied(),
        );
    }
    living.sort_by_key(|n| (n.born, n.key));
    living.dedup_by_key(|n| n.key);
    Below { born: first.born, living, whole, never }
}

/// By creators.
fn descends(n: &Node, top: TaskKey, by_key: &HashMap<TaskKey, &Node>) -> bool {
    let mut at = n;
    // As deep as a line may be known; a ring ends, too.
    for _ in 0..by_key.len() {
        if at.creator == top {
            return true;
        }
        match by_key.get(&at.creator).filter(|up| up.key != at.key) {
            Some(up) => at = up,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tgid: u32) -> TaskKey {
        TaskKey { tgid, pad: 0, start: u64::from(tgid) * 100 }
    }

    /// One that was born outside, as all that hold it.
    fn node(tgid: u32, above: u32, refs: u32, alive: bool) -> Node {
        let up = if above == 0 { TaskKey::default() } else { key(above) };
        let (ended, outside) = if alive { (0, refs.saturating_sub(1)) } else { (9, refs) };
        let (born, flags) = (u64::from(tgid), N_OUTSIDE);
        Node {
            key: key(tgid),
            creator: up,
            holder: up,
            refs,
            ended,
            born,
            depth: tgid,
            flags,
            outside,
            ..Node::default()
        }
    }

    fn found(nodes: &[Node], top: u32) -> (Vec<u32>, bool) {
        let b = of(nodes, key(top));
        (b.living.iter().map(|n| n.key.tgid).collect(), b.whole)
    }

    #[test]
    fn below_the_dead_too() {
        // 5 is dead and has 6; 6 has 7; 9 is nobody's.
        let all = [
            node(4, 0, 2, true),
            node(5, 4, 1, false),
            node(6, 5, 2, true),
            node(7, 6, 1, true),
            node(9, 0, 1, true),
        ];
        assert_eq!(found(&all, 4), (vec![4, 6, 7], true));
        assert_eq!(found(&all, 5), (vec![6, 7], true));
        assert_eq!(found(&all, 7), (vec![7], true));
        assert_eq!(found(&all, 8), (vec![], false));
    }

    #[test]
    fn one_that_was_not_read_is_missed() {
        let all = [node(4, 0, 2, true), node(5, 4, 2, false), node(6, 5, 1, true)];
        assert_eq!(found(&all, 4), (vec![4, 6], false));
        assert_eq!(found(&[node(4, 0, 2, true)], 4), (vec![4], false));
        // A member's child is a member, whoever has read it.
        assert_eq!(found(&[Node { outside: 0, ..node(4, 0, 2, true) }], 4), (vec![4], true));
    }

    #[test]
    fn what_was_there_before_is_not_whole() {
        let mut all = [node(4, 0, 1, true), node(5, 4, 1, true)];
        all[0].flags |= N_BEFORE;
        all[1].holder = TaskKey::default();
        all[1].flags |= N_BEFORE;
        assert_eq!(found(&all, 4), (vec![4, 5], false));
    }

    #[test]
    fn deeper_than_holders_by_creators() {
        let deep = |tgid: u32, creator: u32, alive: bool| Node {
            depth: HOLDERS + tgid,
            holder: key(1),
            creator: key(creator),
            ..node(tgid, 1, u32::from(alive), alive)
        };
        let mut anchor = node(1, 0, 3, false);
        anchor.depth = HOLDERS - 1;
        let all = [anchor, deep(2, 1, true), deep(3, 2, false), deep(4, 3, true), deep(5, 1, true)];
        assert_eq!(found(&all, 1), (vec![2, 4, 5], true));
        assert_eq!(found(&all, 2), (vec![2, 4], false));
    }
}
