//! Processes that may still owe a signal: a broadcast waits for the one before, and for forks in flight
//! (docs/internals/PROTOCOL.md 8).

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use killer_common::claim;

use super::broadcasting::Broadcasting;
use super::cast::HOLDS;
use super::fork_calls::ForkCalls;
use super::pending::{Pending, pending, waits};
use crate::keep::Broadcasts;
use crate::lineage::family::{Clock, Members};
use crate::lineage::set::Lineage;
use crate::sys::clock;

/// How long a broadcast waits for the one before, ms, and for how many members it looks.
const SETTLE_MS: u32 = 500;
const SETTLE_MOST: usize = 1024;

/// How long forks that were in flight are waited for before the set counts as unsure, and for how many generations: a
/// newborn that was sent the signal at birth may fork as well before it takes it.
const IN_FLIGHT: Duration = Duration::from_secs(5);
const GENERATIONS: usize = 16;
/// How long a process is waited for that blocks the signal, is stopped, or sleeps.
const HELD: Duration = Duration::from_millis(200);

/// True while a signal waits for a process, or its fork hook may be about to send it.
fn may_owe(broadcasts: &dyn Broadcasts, tgid: u32, signal: i32) -> bool {
    let word = broadcasts.claim(tgid).map_or(0, |w| w.load(Ordering::SeqCst));
    word == claim::UNDECIDED_WORD || pending(tgid, signal)
}

impl Lineage<'_> {
    /// Waits, for a moment only, until nobody has the signal of the broadcast before still pending: a child that is
    /// forked then would owe two, and one word cannot say so. Answers how many have not taken it, when it is `signal`
    /// again.
    pub(super) fn let_settle(&self, signal: i32) -> usize {
        let Some(broadcasts) = self.tracker.broadcasts() else { return 0 };
        let mut behind = 0;
        for _ in 0..SETTLE_MS {
            let now = clock::monotonic_ns();
            let until = now + HOLDS.as_nanos() as u64;
            // What holds is the same for all instances: one broadcast began it.
            let renewed = self.tops().into_iter().filter_map(|s| broadcasts.renew(s, now, until));
            let Some(before) = renewed.last() else {
                return 0;
            };
            // A process that was sent it at birth meanwhile is in a later list, before its creator can have taken it.
            let mut asked = HashSet::new();
            behind = 0;
            loop {
                let new: Vec<u32> = self.listed().into_iter().filter(|&t| asked.insert(t)).collect();
                if asked.len() > SETTLE_MOST {
                    return 0;
                }
                if new.is_empty() {
                    break;
                }
                behind += new.iter().filter(|&&t| may_owe(broadcasts, t, before)).count();
            }
            if behind == 0 || self.interrupted() {
                return behind;
            }
            behind = if before == signal { behind } else { 0 };
            std::thread::sleep(Duration::from_millis(1));
        }
        behind
    }

    /// How the signal waits for that one of all processes that it waits for longest.
    pub(super) fn worst_pending(&self) -> Pending {
        let mut worst = Pending::No;
        for t in self.listed() {
            worst = worst.max(waits(t, self.cast.signal));
            if worst == Pending::Soon {
                break;
            }
        }
        worst
    }

    /// Entries of system calls are stamped no more, once nobody has the signal pending and forks in flight are over:
    /// all threads of a process that forks then have received it. False when such a fork may still be in flight, or a stamp is
    /// missing.
    pub(super) fn end_stamps(&mut self) -> bool {
        let Some(stamps) = self.cast.stamps.take() else { return true };
        let mut known = self.forks_are_over();
        if let Some(b) = self.tracker.broadcasts() {
            known &= b.unstamped().is_ok_and(|now| self.cast.unstamped == Some(now));
            self.tops().into_iter().for_each(|s| b.end_stamps(s));
        }
        drop(stamps);
        known
    }

    /// Waits for that. A process that was sent it at birth meanwhile may fork before it takes it, too, so new ones
    /// are asked, until twice nobody had to be waited for.
    pub(super) fn forks_are_over(&self) -> bool {
        let end = clock::monotonic_ns() + IN_FLIGHT.as_nanos() as u64;
        let mut calls = ForkCalls::default();
        let mut asked = HashSet::new();
        let mut quiet = 0;
        for _ in 0..GENERATIONS {
            let new: Vec<u32> = self.listed().into_iter().filter(|&t| asked.insert(t)).collect();
            // A look from before it was taken says nothing: a fork may have begun since.
            let Some(waited) = self.until_taken(&new, end) else { return false };
            let open = calls.add(&new);
            quiet = if waited || open { 0 } else { quiet + 1 };
            if quiet == 2 {
                break;
            }
            while !calls.over() {
                if !self.goes_on(end) {
                    return false;
                }
            }
        }
        true
    }

    /// Waits until none of them has the signal pending, but those that may never take it: whether that took any time.
    /// `None` when there is somebody at the end.
    fn until_taken(&self, of: &[u32], end: u64) -> Option<bool> {
        let begun = clock::monotonic_ns();
        let mut left: Vec<(u32, Pending)> = of.iter().map(|&t| (t, Pending::Soon)).collect();
        let mut waited = false;
        loop {
            for one in &mut left {
                one.1 = waits(one.0, self.cast.signal);
            }
            left.retain(|one| one.1 != Pending::No);
            let long = clock::monotonic_ns() - begun >= HELD.as_nanos() as u64;
            if left.iter().all(|one| one.1 == Pending::Held && long) {
                return Some(waited);
            }
            waited = true;
            if !self.goes_on(end) {
                return None;
            }
        }
    }

    /// A moment's wait, in which the broadcast holds on; false when it has been long enough.
    fn goes_on(&self, end: u64) -> bool {
        if clock::monotonic_ns() >= end || self.interrupted() {
            return false;
        }
        self.go_on();
        std::thread::sleep(Duration::from_millis(1));
        true
    }
}
