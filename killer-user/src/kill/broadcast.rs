//! Any signal but KILL: each member once, and children of creators that had not received it when they forked
//! (docs/internals/PROTOCOL.md 8).

use std::time::Duration;

use killer_common::claim;
use killer_common::record::Member;

use super::gate::Lease;
use super::line::oldest_first;
use super::sweep::Sweep;
use super::wanted::wanted;
use super::{Fate, SIGKILL};
use crate::ask::Newborns;
use crate::lineage::{Broadcasting, Clock, Gated, Members, Pending, Repairs, Signals, Sweeping};
use crate::sys::alive::Identity;

/// Passes, a millisecond each, that are made for processes that may turn out to be behind while one does not take it.
const SETTLED: u32 = 200;
/// How long lineages may hop away from the list, or not come to take what they were sent, before the set counts as
/// unsure.
const MOST: Duration = Duration::from_secs(5);
/// How long newborns that are behind are left to the sweeper, for the sake of a queued value.
const LATER: Duration = Duration::from_secs(2);

impl<Fd> Sweep<'_, Fd> {
    /// Sends it.
    pub fn once_each<F>(&mut self, family: &mut F)
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock + Gated + Broadcasting + Repairs,
    {
        if self.order.signal == 0 || !self.order.is_for_all() {
            // A probe, or a set that newborns do not join by themselves: it means the processes that are there now.
            self.passes = 1;
            let mut all = wanted(self.order, family);
            if self.order.signal == SIGKILL {
                oldest_first(&mut all);
            }
            self.send_all(family, all);
            return;
        }
        let policy = match self.order.newborns {
            Newborns::Ignore => claim::NEWBORNS_IGNORE,
            _ => claim::NEWBORNS_SIGNAL,
        };
        // Before the list: a process that is born from here on dies at birth.
        let mut gate = (self.order.newborns == Newborns::Kill).then(|| Lease::close_for_newborns(family));
        self.behind = family.begin(self.order.signal, self.order.value, policy);
        self.until_claimed(family, &mut gate);
        if let Some(mut gate) = gate {
            self.gates = gate.gates;
            gate.open(family);
        }
        self.unsure |= !family.finish();
    }

    /// Passes until no process of a whole list is without a claim: one that is born from then on has a creator with
    /// one, and is decided at birth. The *numbers* of the list are asked, not the entries: one that has ended since
    /// the list was made may have left a child that is in none yet.
    fn until_claimed<F>(&mut self, family: &mut F, gate: &mut Option<Lease>)
    where
        F: Members + Signals<Fd = Fd> + Clock + Gated + Broadcasting + Repairs,
    {
        let began = family.monotonic();
        let mut idle = 0u32;
        let (mut waited, mut calm) = (0u32, family.sends_at_birth());
        let mut landed = false;
        loop {
            if family.monotonic() - began >= LATER.as_nanos() as u64 && family.leave_to_births() {
                self.unlike = true;
            }
            let (listed, whole) = family.listed_whole();
            // A process that is undecided is still in its fork hook, and may be left to the next list.
            let mut undecided = false;
            let mut nobodys = |t: &u32| {
                let state = family.claim(*t);
                undecided |= state == claim::UNDECIDED;
                state == claim::NONE
            };
            let open: Vec<u32> = listed.into_iter().filter(&mut nobodys).collect();
            let members = family.members(&open);
            let ended = members.len() < open.len();
            let new: Vec<Member> =
                members.into_iter().filter(|m| !self.sent.contains_key(&Identity::of(m))).collect();
            self.passes += 1;
            if new.is_empty() && !ended && whole && !undecided {
                // Where newborns are not sent it at birth, a fork in flight may yet bring a process that is behind.
                let pending = family.pending();
                let enough = waited >= SETTLED && (pending == Pending::Held || family.sends_at_birth());
                let over = pending == Pending::No && calm || enough;
                // Whether a process that was in no list was born before its creator took the signal cannot be said.
                let lapsed = over && family.lapsed();
                self.unsure |= lapsed;
                if over && !lapsed {
                    if self.is_over(family, pending, &mut landed) {
                        return;
                    }
                    calm = true;
                    continue;
                }
                if family.interrupted() || family.monotonic() - began >= MOST.as_nanos() as u64 {
                    self.unsure = true;
                    return;
                }
                calm = pending == Pending::No;
                waited += 1;
                family.go_on();
                family.pause(None, Duration::from_millis(1));
                continue;
            }
            idle = if new.is_empty() { idle + 1 } else { 0 };
            // A process that is sent it now may be in the middle of a fork: two quiet looks after that.
            calm = family.sends_at_birth();
            landed &= new.is_empty();
            for m in new {
                self.send_claimed(family, m);
            }
            if family.interrupted() || family.monotonic() - began >= MOST.as_nanos() as u64 {
                self.unsure = true;
                return;
            }
            family.go_on();
            if let Some(gate) = gate {
                gate.renew(family);
            }
            self.settle_down(family, idle);
        }
    }

    /// Whether a quiet list was the last one. Not when newborns were left to this sweep until now, or a fork was in flight: what
    /// that has brought is in the next list.
    fn is_over<F: Broadcasting>(&mut self, family: &F, pending: Pending, landed: &mut bool) -> bool {
        if family.leave_to_births() {
            self.unlike |= pending != Pending::No;
            return false;
        }
        if *landed || family.sends_at_birth() {
            return true;
        }
        *landed = true;
        self.unsure |= !family.forks_landed();
        false
    }

    /// As [`Self::send`], with the claim around it: taken after the identity was checked, so that a newborn that got the
    /// number meanwhile is not taken for its former owner; given back when nothing was sent. Each change is an
    /// exchange, because the fork hook writes the words of newborns.
    fn send_claimed<F>(&mut self, family: &F, m: Member)
    where
        F: Members + Signals<Fd = Fd> + Clock + Broadcasting + Repairs,
    {
        let mut skipped = false;
        // Not to be had: a newborn that is decided at birth, or was undecided when this looked: then the next list
        // has it.
        let take = || family.exchange(m.tgid, claim::NONE, claim::CLAIMED);
        let settle = |fate| {
            let to = if fate == Fate::Gone { claim::NONE } else { claim::SENT };
            let settled = family.exchange(m.tgid, claim::CLAIMED, to);
            // The hook that settles it was skipped: a child forked since then was taken for one behind.
            skipped = settled && fate == Fate::Signalled && family.can_lapse();
        };
        self.deliver(family, m, self.order.signal, take, settle);
        self.unsure |= skipped;
    }

    /// After so many passes in which nobody was new: a look at the whole host once, and pauses that grow.
    fn settle_down<F: Signals<Fd = Fd> + Repairs>(&mut self, family: &F, idle: u32) {
        if idle == 32 {
            let _ = family.repair();
        }
        if idle > 4 {
            family.pause(None, Duration::from_micros(20 << idle.min(8)));
        }
    }
}
