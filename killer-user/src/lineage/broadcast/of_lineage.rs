//! The broadcast of a lineage, as the tracker decides it at births; where it cannot, by what was sent when.

use std::sync::atomic::{Ordering, fence};

use killer_common::claim;

use super::broadcasting::Broadcasting;
use super::cast::HOLDS;
use super::pending::Pending;
use crate::keep::Broadcast;
use crate::lineage::family::{Members, Repairs};
use crate::lineage::set::Lineage;
use crate::sys::clock;

impl Lineage<'_> {
    /// Index entries ever written for processes of the family.
    fn indexed(&self) -> u64 {
        fence(Ordering::SeqCst);
        let indexed = self.slots().iter().map(|&s| self.tracker.pop(s).processes).sum();
        fence(Ordering::SeqCst);
        indexed
    }

    /// Where newborns are not decided at birth: a child of a process that had been sent the signal owes nothing, as
    /// far as its start says.
    fn owes_nothing(&self, tgid: u32) -> u64 {
        let Ok(Some(m)) = self.tracker.member(tgid) else { return claim::SENT };
        let sent = self.cast.sent.borrow();
        match sent.get(&m.creator_tgid) {
            // Starts are in ticks: what was born in the same one counts as born later.
            Some(&at) if m.born + 10_000_000 > at => claim::SENT,
            _ => claim::NONE,
        }
    }
}

impl Broadcasting for Lineage<'_> {
    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize {
        // One broadcast at a time: claims are one word a process, and roots are nested.
        self.cast.lock = self.tracker.lock().ok();
        self.cast.signal = signal;
        self.watch_lapses();
        let behind = self.let_settle(signal);
        self.cast.epoch = clock::monotonic_ns() & claim::EPOCH_MASK;
        let Some(broadcasts) = self.tracker.broadcasts() else { return behind };
        let heard = broadcasts.hear().inspect_err(|e| log::warn!("{e}"));
        self.cast.deaf = heard.is_err();
        self.cast.threads = self.census().tasks > self.listed().len() as i64;
        if self.cast.threads {
            // Of a process with threads one may take the signal while another forks.
            let stamped = broadcasts.stamp_calls(&self.tops(), self.cast.epoch);
            self.cast.deaf |= stamped.is_err();
            self.cast.stamps = stamped.unwrap_or_else(|e| {
                log::warn!("starts of forks are not told: {e}");
                None
            });
            self.cast.unstamped = broadcasts.unstamped().ok();
        }
        let until = clock::monotonic_ns() + HOLDS.as_nanos() as u64;
        // Where they are not sent it at birth anyway, nothing changes.
        self.cast.later.set(value.is_some() && self.sends_at_birth());
        let b = Broadcast { epoch: self.cast.epoch, signal, value, newborns, later: self.cast.later.get() };
        self.cast.indexed = self.indexed();
        self.tops().into_iter().for_each(|s| broadcasts.begin(s, &b, until));
        behind
    }

    fn go_on(&self) {
        let now = clock::monotonic_ns();
        if let Some(b) = self.tracker.broadcasts() {
            for s in self.tops() {
                b.renew(s, now, now + HOLDS.as_nanos() as u64);
            }
        }
    }

    fn listed_whole(&self) -> (Vec<u32>, bool) {
        if self.tracker.broadcasts().is_none() {
            return (self.listed(), true);
        }
        // Counted after the index entry is there, and before the creator can end: a birth that was counted as an
        // insertion before the list began may be indexed behind the list's back.
        let before = self.indexed();
        let listed = self.listed();
        (listed, self.indexed() == before)
    }

    fn claim(&self, tgid: u32) -> u64 {
        let Some(broadcasts) = self.tracker.broadcasts() else { return self.owes_nothing(tgid) };
        broadcasts
            .claim(tgid)
            .map_or(claim::NONE, |w| claim::state(w.load(Ordering::SeqCst), self.cast.epoch))
    }

    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool {
        let Some(broadcasts) = self.tracker.broadcasts() else {
            if to == claim::SENT {
                self.cast.sent.borrow_mut().insert(tgid, clock::boottime_ns());
            }
            return true;
        };
        // A number beyond the words (pid_max was raised since): nobody decides about it but this sweep.
        let Some(w) = broadcasts.claim(tgid) else { return true };
        let old = w.load(Ordering::SeqCst);
        let to = claim::word(self.cast.epoch, self.cast.signal as u32, to);
        claim::state(old, self.cast.epoch) == from
            && w.compare_exchange(old, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn sends_at_birth(&self) -> bool {
        // Where nothing is decided at birth, nobody is left to the sweeper.
        self.tracker.broadcasts().is_none_or(|b| b.sends_at_birth() && !self.cast.later.get())
    }

    fn leave_to_births(&self) -> bool {
        let was = self.cast.later.replace(false);
        if let Some(b) = self.tracker.broadcasts().filter(|_| was) {
            self.tops().into_iter().for_each(|s| b.leave_to_births(s));
        }
        was
    }

    fn forks_landed(&self) -> bool {
        // A process without threads takes no signal in the middle of a fork.
        let threads = self.cast.threads || self.census().tasks > self.listed().len() as i64;
        !threads || self.forks_are_over()
    }

    fn pending(&self) -> Pending {
        if self.sends_at_birth() && !self.can_lapse() { Pending::No } else { self.worst_pending() }
    }

    fn finish(&mut self) -> bool {
        self.leave_to_births();
        let over = self.end_stamps();
        self.cast.lock = None;
        // Whose creator had it pending cannot be told.
        let told =
            self.tracker.broadcasts().is_none_or(|b| b.sees_pending() || self.indexed() == self.cast.indexed);
        over && told && !self.cast.deaf
    }
}
