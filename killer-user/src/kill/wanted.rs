//! The members that an order is for.

use std::collections::HashSet;

use killer_common::record::Member;

use super::Order;
use crate::lineage::{Clock, Members, Snapshot};
use crate::sys::alive::Identity;

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
            kept: &order.kept,
            now: family.boottime(),
            glob: order.glob,
        };
        let chosen: HashSet<Identity> = snapshot.chosen(&order.picks);
        members.retain(|m| chosen.contains(&Identity::of(m)));
    }
    members
}
