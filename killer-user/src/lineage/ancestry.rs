//! The line from the first process that is known down to one process: who forked whom, the dead included.

use std::collections::{HashMap, HashSet};

use killer_common::record::{B_ADOPTED, B_CONTROL, B_KID, B_MAIN, Dead, Member};

use crate::sys::alive::Identity;

/// A process of the line.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Its record.
    pub member: Member,
    /// When it ended, CLOCK_BOOTTIME ns; `None` while it lives.
    pub ended: Option<u64>,
}

/// The line to a process, the first one first.
#[derive(Clone, Debug)]
pub struct Ancestry {
    /// Each forked the next one.
    pub links: Vec<Link>,
    /// Members above the first one that are no longer known; 0: nobody knows how many. `None`: there is none.
    pub missing: Option<u32>,
}

/// Those of the dead that had this number, the youngest first.
pub fn ended_with(pid: u32, dead: &[Dead]) -> Vec<Link> {
    let had = dead.iter().filter(|d| d.member.tgid == pid);
    let mut v: Vec<Link> = had.map(|d| Link { member: d.member, ended: Some(d.ended) }).collect();
    v.sort_by_key(|l| std::cmp::Reverse(l.member.leader_start));
    v.dedup_by_key(|l| l.member.leader_start);
    v
}

/// The line to a process. `living` answers who has a number now.
pub fn ancestry(
    of: Link,
    dead: &[Dead],
    mut living: impl FnMut(u32) -> std::io::Result<Option<Member>>,
) -> std::io::Result<Ancestry> {
    let dead: HashMap<Identity, &Dead> = dead.iter().map(|d| (Identity::of(&d.member), d)).collect();
    let mut links = vec![of];
    // Entries are read while elements are recycled: a ring is possible, and no line.
    let mut seen = HashSet::from([Identity::of(&of.member)]);
    loop {
        let first = links[links.len() - 1].member;
        let up = Identity::creator(&first);
        let alive = living(up.pid)?.filter(|m| up.pid != 0 && Identity::of(m) == up);
        let alive = alive.map(|member| Link { member, ended: None });
        let known = alive.or_else(|| dead.get(&up).map(|d| Link { member: d.member, ended: Some(d.ended) }));
        match known.filter(|_| seen.insert(up)) {
            Some(link) => links.push(link),
            None => {
                links.reverse();
                return Ok(Ancestry { missing: missing(&first), links });
            }
        }
    }
}

/// How many members there were above the first one that is known.
fn missing(first: &Member) -> Option<u32> {
    if first.flags & B_KID != 0 {
        return Some((first.depth + first.above).max(1));
    }
    // Its creator was no member, or nobody saw it being born.
    let known = first.flags & (B_MAIN | B_CONTROL | B_ADOPTED) != 0;
    (!known).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(tgid: u32, creator_tgid: u32, flags: u32) -> Member {
        Member {
            tgid,
            leader_start: u64::from(tgid),
            creator_tgid,
            creator_start: u64::from(creator_tgid),
            flags,
            depth: 2,
            above: 1,
            ..Member::default()
        }
    }

    fn line(to: u32, living: &[Member], dead: &[Dead]) -> (Vec<u32>, Option<u32>) {
        let of = living.iter().find(|m| m.tgid == to).expect("somebody");
        let now = |pid| Ok(living.iter().find(|m| m.tgid == pid).copied());
        let a = ancestry(Link { member: *of, ended: None }, dead, now).expect("a line");
        (a.links.iter().map(|l| l.member.tgid).collect(), a.missing)
    }

    #[test]
    fn the_dead_are_in_it_and_who_is_missing_is_counted() {
        let dead = |m| Dead { member: m, ended: 9 };
        let main = member(10, 1, B_MAIN);
        let living = [main, member(13, 12, B_KID), member(23, 22, B_KID), member(30, 0, 0)];
        let known = [dead(member(12, 11, B_KID)), dead(member(11, 10, B_KID))];
        assert_eq!(line(13, &living, &known), (vec![10, 11, 12, 13], None));
        assert_eq!(line(13, &living, &known[..1]), (vec![12, 13], Some(3)));
        assert_eq!(line(23, &living, &known), (vec![23], Some(3)));
        assert_eq!(line(30, &living, &[]), (vec![30], Some(0)));
        assert_eq!(line(10, &living, &[]), (vec![10], None));
    }

    #[test]
    fn another_one_with_the_number_is_nobody() {
        let mut other = member(12, 10, B_KID);
        other.leader_start = 99;
        assert_eq!(line(13, &[member(13, 12, B_KID), other], &[]), (vec![13], Some(3)));
    }

    #[test]
    fn rings_end() {
        let ring = [member(5, 6, B_KID), member(6, 5, B_KID)];
        assert_eq!(line(5, &ring, &[]).0, [6, 5]);
        assert_eq!(line(7, &[member(7, 7, B_KID)], &[]).0, [7]);
    }

    #[test]
    fn the_youngest_with_a_number_comes_first() {
        let at = |start| Dead { member: Member { leader_start: start, ..member(4, 1, 0) }, ended: start + 1 };
        let found = ended_with(4, &[at(5), at(9), at(9), at(7)]);
        assert_eq!(found.iter().map(|l| l.member.leader_start).collect::<Vec<_>>(), [9, 7, 5]);
        assert!(ended_with(5, &[at(5)]).is_empty());
    }
}
