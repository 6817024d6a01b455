//! Parents of many, which are ended when their children are dead.
//!
//! When such a parent ends first, its children are given to another process, and each time that one waits the kernel goes through
//! all of them that still live until it finds a dead one (`kernel/exit.c:__do_wait`), under the lock that each exit needs. Dead
//! children are found at once. A parent that waits for its children itself goes through them as often, so that it is ended first, as
//! ever. The gate is closed meanwhile, so that no parent can replace its children, and none is stopped: a `killer` that dies now
//! leaves a parent that runs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use killer_common::record::Member;

use crate::lineage::{Clock, Members};
use crate::sys::alive::Identity;

/// A parent of so many members is ended after them.
const MANY: usize = 64;
/// So long a parent is left while none of those that are waited for ends: one of them may hang in the kernel.
const STILL: Duration = Duration::from_millis(50);
/// So long it is left in all.
const MOST: Duration = Duration::from_secs(2);

/// Those that have not been sent it yet.
#[derive(Debug, Default)]
pub struct Parents {
    left: Vec<Parent>,
    apart: HashSet<Identity>,
    /// How many are waited for, and since when that many (CLOCK_MONOTONIC, ns).
    awaited: (usize, u64),
    until: u64,
}

#[derive(Debug)]
struct Parent {
    member: Member,
    /// The youngest child is sent it right behind the parent: a program that waits for all its children does not go on.
    youngest: Option<Member>,
    /// Numbers of the members that it is left for, in order. One that becomes another member's is waited for once more.
    awaited: Vec<u32>,
}

impl Parents {
    /// Takes them out of these members, which are the oldest first, with the youngest child of each.
    pub fn of<F: Members + Clock>(members: &mut Vec<Member>, family: &F, patience: Duration) -> Self {
        let mut many = of_many(members);
        many.retain(|p| family.heedless(&p.member));
        Self::set_apart(many, members, family.monotonic(), patience)
    }

    fn set_apart(left: Vec<Parent>, members: &mut Vec<Member>, now: u64, patience: Duration) -> Self {
        let until = now + MOST.min(patience / 2).as_nanos() as u64;
        // Their time begins with the first look: the signals to all others may take longer than that.
        let awaited = (usize::MAX, now);
        let mut parents = Self { left, until, awaited, ..Self::default() };
        parents.wait_for_each_other();
        parents.apart = parents
            .left
            .iter()
            .flat_map(|p| p.youngest.iter().chain([&p.member]))
            .map(Identity::of)
            .collect();
        if !parents.apart.is_empty() {
            members.retain(|m| !parents.are(m));
        }
        parents
    }

    /// The youngest child of a parent may be a parent of many, too: its time is when its own parent has ended.
    fn wait_for_each_other(&mut self) {
        let all: HashSet<Identity> = self.left.iter().map(|p| Identity::of(&p.member)).collect();
        let mut above = HashMap::new();
        for p in &mut self.left {
            if let Some(m) = p.youngest.take_if(|m| all.contains(&Identity::of(m))) {
                above.insert(Identity::of(&m), p.member.tgid);
            }
        }
        for p in &mut self.left {
            p.awaited.extend(above.get(&Identity::of(&p.member)));
            p.awaited.sort_unstable();
        }
    }

    /// Whether a member is one of them, or the youngest child of one.
    pub fn are(&self, m: &Member) -> bool {
        !self.apart.is_empty() && self.apart.contains(&Identity::of(m))
    }

    /// Those that are to be sent it now, in this order. `listed`: the numbers of all members, in order; `born`: a process was born
    /// since the list before, and these alone can go on with that.
    pub fn due(&mut self, listed: &[u32], born: bool, now: u64) -> Vec<Member> {
        if self.left.is_empty() {
            return Vec::new();
        }
        for p in &mut self.left {
            let mut listed = listed.iter().peekable();
            p.awaited.retain(|t| {
                while listed.next_if(|l| *l < t).is_some() {}
                listed.peek() == Some(&t)
            });
        }
        let count = self.left.iter().map(|p| p.awaited.len()).sum();
        if count < self.awaited.0 {
            self.awaited = (count, now);
        }
        if born || now >= self.until || now - self.awaited.1 >= STILL.as_nanos() as u64 {
            return self.all();
        }
        self.take(|p| p.awaited.is_empty())
    }

    /// All of them.
    pub fn all(&mut self) -> Vec<Member> {
        self.take(|_| true)
    }

    /// Each before its youngest child.
    fn take(&mut self, due: impl Fn(&Parent) -> bool) -> Vec<Member> {
        let mut taken = Vec::new();
        for p in self.left.extract_if(.., |p| due(p)) {
            taken.extend([p.member].into_iter().chain(p.youngest));
        }
        for m in &taken {
            self.apart.remove(&Identity::of(m));
        }
        taken
    }
}

/// Parents of many among these members, the oldest first.
fn of_many(members: &[Member]) -> Vec<Parent> {
    if members.len() < MANY {
        return Vec::new();
    }
    let mut creators: Vec<Identity> = members.iter().map(Identity::creator).collect();
    creators.sort_unstable();
    let many = creators.chunk_by(|a, b| a == b).filter(|same| same.len() >= MANY);
    let mut families: Vec<(Identity, Option<Parent>)> = many.map(|same| (same[0], None)).collect();
    if families.is_empty() {
        return Vec::new();
    }
    for m in members {
        if let Ok(n) = families.binary_search_by_key(&Identity::of(m), |f| f.0) {
            families[n].1 = Some(Parent { member: *m, youngest: None, awaited: Vec::new() });
        }
        // A parent is older than its children.
        if let Ok(n) = families.binary_search_by_key(&Identity::creator(m), |f| f.0)
            && let Some(parent) = &mut families[n].1
            && let Some(older) = parent.youngest.replace(*m)
        {
            parent.awaited.push(older.tgid);
        }
    }
    let mut parents: Vec<Parent> = families.into_iter().filter_map(|f| f.1).collect();
    parents.sort_by_key(|p| (p.member.leader_start, p.member.tgid));
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Numbers are starts; 1 is nobody of the set.
    fn member(tgid: u32, creator: u32) -> Member {
        Member {
            tgid,
            leader_start: tgid.into(),
            creator_tgid: creator,
            creator_start: creator.into(),
            ..Member::default()
        }
    }

    fn star(parent: u32, children: std::ops::Range<u32>) -> impl Iterator<Item = Member> {
        children.map(move |c| member(c, parent))
    }

    fn all_of(members: &mut Vec<Member>, patience: Duration) -> Parents {
        let many = of_many(members);
        Parents::set_apart(many, members, 0, patience)
    }

    fn numbers(members: &[Member]) -> Vec<u32> {
        members.iter().map(|m| m.tgid).collect()
    }

    /// Those that are left when nobody of them has ended.
    fn apart(mut members: Vec<Member>) -> Vec<u32> {
        members.sort_by_key(|m| m.leader_start);
        let all = numbers(&members);
        let parents = all_of(&mut members, PATIENCE);
        let at_once = numbers(&members);
        assert!(members.iter().all(|m| !parents.are(m)));
        all.into_iter().filter(|t| !at_once.contains(t)).collect()
    }

    #[test]
    fn a_parent_of_many_and_its_youngest_child_wait() {
        let of = |children: u32| [member(2, 1)].into_iter().chain(star(2, 10..10 + children)).collect();
        assert_eq!(apart(of(64)), [2, 73]);
        assert!(apart(of(63)).is_empty());
        // A chain, and children of one that is not there.
        assert!(apart((2..500).map(|n| member(n, n - 1)).collect()).is_empty());
        assert!(apart(star(2, 10..500).collect()).is_empty());
        assert!(apart(Vec::new()).is_empty());
    }

    #[test]
    fn it_is_due_when_all_but_the_youngest_are_dead() {
        let mut members: Vec<Member> = [member(200, 1)].into_iter().chain(star(200, 300..364)).collect();
        let mut parents = all_of(&mut members, PATIENCE);
        assert_eq!(members.len(), 63);
        assert!(parents.due(&numbers(&members), false, 1).is_empty());
        // Others of the set live on, and numbers of dead children are used again by nobody.
        assert!(parents.due(&[5, 200, 340, 363, 400], false, 2).is_empty());
        assert_eq!(numbers(&parents.due(&[5, 200, 363, 400], false, 3)), [200, 363]);
        assert!(parents.due(&[5, 200, 363, 400], false, 4).is_empty() && parents.all().is_empty());
        assert!(!parents.are(&member(200, 1)));
    }

    /// Each that ends lengthens the wait, but not for ever; and what is born ends it.
    #[test]
    fn it_does_not_wait_for_long() {
        let new = |patience| {
            let mut members: Vec<Member> = [member(2, 1)].into_iter().chain(star(2, 10..500)).collect();
            (all_of(&mut members, patience), numbers(&members))
        };
        let still = STILL.as_nanos() as u64;
        let (mut parents, listed) = new(PATIENCE);
        // However long the signals took before the first look.
        assert!(parents.due(&listed, false, 3 * still).is_empty());
        assert!(parents.due(&listed, false, 4 * still - 1).is_empty());
        assert!(parents.due(&listed[1..], false, 4 * still).is_empty());
        assert!(parents.due(&listed[1..], false, 5 * still - 1).is_empty());
        assert_eq!(numbers(&parents.due(&listed[1..], false, 5 * still)), [2, 499]);
        let (mut parents, listed) = new(PATIENCE);
        assert_eq!(numbers(&parents.due(&listed, true, 1)), [2, 499]);
        for patience in [PATIENCE, still_and(20)] {
            let (mut parents, listed) = new(patience);
            let end = (1..listed.len()).find(|&n| {
                let now = n as u64 * (still - 1);
                !parents.due(&listed[n..], false, now).is_empty()
            });
            let at = Duration::from_nanos(end.expect("an end") as u64 * (still - 1));
            assert!(at <= MOST.min(patience / 2) + STILL, "{at:?}");
        }
    }

    fn still_and(more: u64) -> Duration {
        STILL + Duration::from_millis(more)
    }

    /// Below a parent of many: each when its children are dead, and the youngest child not before its parent.
    #[test]
    fn parents_below_parents() {
        let tops = [member(2, 1)].into_iter().chain(star(2, 10..74));
        let mut members: Vec<Member> = tops.chain(star(11, 100..200)).chain(star(73, 200..300)).collect();
        let mut parents = all_of(&mut members, PATIENCE);
        let listed = numbers(&members);
        // 2 waits for 11, and 73, its youngest child, for 2.
        assert!([2, 11, 73, 199, 299].iter().all(|t| !listed.contains(t)));
        assert!(parents.due(&[2, 11, 73, 100, 199, 299], false, 1).is_empty());
        assert_eq!(numbers(&parents.due(&[2, 11, 73, 199, 299], false, 2)), [11, 199]);
        assert_eq!(numbers(&parents.due(&[2, 73, 299], false, 3)), [2]);
        assert!(parents.due(&[2, 73, 299], false, 4).is_empty());
        assert_eq!(numbers(&parents.due(&[73, 299], false, 5)), [73, 299]);
    }

    /// Entries are read while elements are recycled: even creators in a ring are sent it in the end.
    #[test]
    fn a_ring_is_no_lock() {
        let mut members: Vec<Member> = [member(2, 3), member(3, 2)]
            .into_iter()
            .chain(star(2, 10..80))
            .chain(star(3, 100..180))
            .chain([member(4, 4)])
            .chain(star(4, 200..300))
            .collect();
        let mut parents = all_of(&mut members, PATIENCE);
        parents.due(&[2, 3, 4, 79, 179, 299], false, 1);
        parents.due(&[2, 3, 4, 79, 179, 299], false, 1 + STILL.as_nanos() as u64);
        assert!(parents.all().is_empty());
    }
}
