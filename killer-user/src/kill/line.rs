//! In which order members are ended.

use std::collections::HashMap;

use killer_common::record::Member;

use crate::sys::alive::Identity;

/// A process with so many children in the set is ended after them.
pub const CROWD: u32 = 64;

/// In the order of creation, for a signal that ends them. Whoever waits for them all goes through its children in this order until it
/// finds a dead one (`kernel/exit.c:__do_wait`): in the order of numbers, where these wrapped inside the set, half of all
/// the children are looked at for each that has ended.
pub fn oldest_first(members: &mut [Member]) {
    // Entries are large: their keys are sorted, and each is moved once.
    members.sort_by_cached_key(|m| (m.leader_start, m.tgid));
}

/// Those of them that have a crowd of children among them.
///
/// The end of such a process gives all its children to another parent, under the lock that each of their ends needs, too
/// (`kernel/exit.c:forget_original_parent`). Ended last it has none left. A chain has no crowds: there the oldest first is the
/// fastest, and the newest first takes a time that grows with the square of its length.
pub fn with_crowds(members: &[Member]) -> Vec<Member> {
    if members.len() <= CROWD as usize {
        return Vec::new();
    }
    let mut children: HashMap<Identity, u32> = HashMap::new();
    for m in members {
        *children.entry(Identity { pid: m.creator_tgid, start: m.creator_start }).or_default() += 1;
    }
    let crowded = |m: &&Member| children.get(&Identity::of(m)).is_some_and(|n| *n >= CROWD);
    members.iter().filter(crowded).copied().collect()
}

/// Puts these, which are in the order of creation, behind all others, the youngest first.
pub fn put_last(members: &mut Vec<Member>, last: &[Member]) {
    let is_last = |m: &Member| last.iter().any(|l| Identity::of(l) == Identity::of(m));
    members.retain(|m| !is_last(m));
    members.extend(last.iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: u32, creator: u32) -> Member {
        let start = |pid: u32| u64::from(pid) + 1000;
        Member {
            tgid: pid,
            leader_start: start(pid),
            creator_tgid: creator,
            creator_start: start(creator),
            ..Member::default()
        }
    }

    #[test]
    fn parents_of_many_come_last() {
        // 1 → 2 → (64 children), 3 → (63 children), and a chain.
        let mut all: Vec<Member> = vec![member(1, 0), member(2, 1), member(3, 1)];
        all.extend((100..100 + CROWD).map(|n| member(n, 2)));
        all.extend((200..200 + CROWD - 1).map(|n| member(n, 3)));
        all.extend((300..400).map(|n| member(n, n - 1)));
        let crowds = with_crowds(&all);
        assert_eq!(crowds.iter().map(|m| m.tgid).collect::<Vec<_>>(), [2]);
        let count = all.len();
        put_last(&mut all, &[crowds[0], member(3, 1)]);
        assert_eq!(all.len(), count);
        assert_eq!(all[count - 2..].iter().map(|m| m.tgid).collect::<Vec<_>>(), [3, 2]);
        assert!(with_crowds(&all[..CROWD as usize]).is_empty());
        // A number that was used again is another process.
        let mut other: Vec<Member> = (100..200).map(|n| member(n, 2)).collect();
        other.push(Member { leader_start: 5, ..member(2, 1) });
        assert!(with_crowds(&other).is_empty());
    }
}
