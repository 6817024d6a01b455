//! Refusals: nothing has been touched when one is returned.

use killer_common::record::Member;
use thiserror::Error;

use super::Order;
use super::wanted::wanted;
use crate::ask::whom::Pick;
use crate::lineage::{Clock, Members};

/// Why an order is not carried out.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The set holds the host's init.
    #[error("the set holds process 1, the host's init")]
    Init,
    /// The set holds the caller.
    #[error("the set holds this killer itself (process {0})")]
    Caller(u32),
    /// The set holds an ancestor of the caller.
    #[error("the set holds process {0}, an ancestor of this killer")]
    Ancestor(u32),
    /// The set holds one that may be an ancestor of the caller: the second one cannot be read, and is younger.
    #[error(
        "process {1}, an ancestor of this killer, cannot be read, and process {0} of the set may be one behind it"
    )]
    Behind(u32, u32),
    /// It is for more processes than the order allows.
    #[error("{0} processes would be signalled")]
    Many(u64),
}

/// Refuses PID 1, and an order that would signal the caller or its ancestors, or anybody who may be one, unless they are
/// meant. It looks at the
/// processes that the order is for, not at the whole set; and a main process far away, which the caller's session
/// does not hang on, is meant when it is named: from a session below a tracked listener, the listener alone can be
/// told something.
pub fn check<F: Members + Clock>(family: &F, order: &Order) -> Result<(), Refusal> {
    if order.signal == 0 {
        return Ok(());
    }
    let named = order.picks.contains(&Pick::Main);
    for m in &meant(family, order) {
        if m.tgid == 1 {
            return Err(Refusal::Init);
        }
        if order.include_self {
            continue;
        }
        match order.caller.iter().position(|&p| p == m.tgid) {
            Some(0) => return Err(Refusal::Caller(m.tgid)),
            Some(far) if named && far >= order.near => {}
            Some(_) => return Err(Refusal::Ancestor(m.tgid)),
            None => {}
        }
        // A start that is not known is 0, and may be any.
        if let Some(u) = order.unread.filter(|u| m.leader_start <= u.until) {
            return Err(Refusal::Behind(m.tgid, u.pid));
        }
    }
    fuse(family, order)
}

/// The last look before the first signal: what an order is for may have grown since it was asked for.
fn fuse<F: Members + Clock>(family: &F, order: &Order) -> Result<(), Refusal> {
    let Some(most) = order.most else { return Ok(()) };
    match wanted(order, family).len() as u64 {
        n if n > most => Err(Refusal::Many(n)),
        _ => Ok(()),
    }
}

/// The members among which there may be one that must not be signalled: where the order is for all, only those that it could be
/// are looked up, if these are known.
fn meant<F: Members + Clock>(family: &F, order: &Order) -> Vec<Member> {
    if !order.is_for_all() || order.unread.is_some() && !order.include_self {
        return wanted(order, family);
    }
    let mut asked: Vec<u32> = order.caller.iter().copied().chain([1]).collect();
    asked.sort_unstable();
    asked.dedup();
    family.members(&asked)
}
