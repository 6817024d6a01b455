//! The members that an order is for.

use std::collections::HashSet;

use killer_common::record::Member;

use super::Order;
use crate::lineage::{Clock, Members, Snapshot};

/// What tells a member from another one that had its number: number and start.
pub(super) type Key = (u32, u64);

pub(super) fn key(m: &Member) -> Key {
    (m.tgid, m.leader_start)
}

/// Members that the order is for, in PID order.
pub fn wanted<F: Members + Clock>(order: &Order, family: &F) -> Vec<Member> {
    let listed = family.listed();
    let mut members = family.members(&listed);
    if !order.is_for_all() {
        let snapshot = Snapshot {
            members: &members,
            dead: &family.dead(),
            main: order.main,
            home: order.home.as_ref(),
            now: family.boottime(),
            glob: order.glob,
        };
        let chosen: HashSet<Key> = snapshot.chosen(&order.picks);
        members.retain(|m| chosen.contains(&key(m)));
    }
    members
}
