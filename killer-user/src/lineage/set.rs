//! The set that is signalled, as the tracker keeps it: a root with the roots inside it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use killer_common::claim;
use killer_common::record::{Dead, Member};

use super::describe::Pending;
use super::family::{Census, Family};
use super::gate::Closing;
use super::stillness::Still;
use crate::keep::{Broadcast, Freezer, Held, Lapses, Lock, Slot};
use crate::sys::{interrupt, mem, proc};
use crate::target::{Root, registry};
use crate::tier::Tracker;

/// A root and the roots inside it, from the tracker.
#[derive(Debug)]
pub struct Lineage<'a> {
    pub(super) tracker: &'a Tracker,
    pub(super) root: Root,
    syscalls: Closing,
    epoch: u64,
    pub(super) signal: i32,
    /// Newborns that are behind are left to the sweeper.
    later: Cell<bool>,
    pub(super) sent: RefCell<HashMap<u32, u64>>,
    lock: Option<Lock>,
    pub(super) marks: Option<Box<dyn Held>>,
    /// As the order began, or when it was asked last.
    pub(super) lapses: Cell<Option<Lapses>>,
}

impl<'a> Lineage<'a> {
    /// The family of a root.
    pub fn new(tracker: &'a Tracker, root: Root) -> Self {
        Self {
            tracker,
            root,
            syscalls: Closing::No,
            epoch: 0,
            signal: 0,
            later: Cell::new(false),
            sent: RefCell::default(),
            lock: None,
            marks: None,
            lapses: Cell::new(None),
        }
    }

    /// Its root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The tracker that it is read from.
    pub fn tracker(&self) -> &'a Tracker {
        self.tracker
    }

    /// Index entries ever written for processes of the family.
    fn indexed(&self) -> u64 {
        fence(Ordering::SeqCst);
        let indexed = self.slots().iter().map(|&s| self.tracker.pop(s).processes).sum();
        fence(Ordering::SeqCst);
        indexed
    }

    /// Slots of the root and of those inside it.
    pub fn slots(&self) -> Vec<u32> {
        self.places().into_iter().map(|s| s.slot).collect()
    }

    /// The same with their generations, which tell who was a member from who is in a slot that was used again. Nobody when the
    /// root was forgotten: then nothing is left of it.
    fn places(&self) -> Vec<Slot> {
        registry::places(self.tracker, &self.root)
    }

    /// What hooks have missed until now.
    pub(super) fn lapses_now(&self) -> Option<Lapses> {
        self.tracker.hooks().and_then(|h| h.lapses())
    }

    fn freezer(&self) -> io::Result<&'a dyn Freezer> {
        self.tracker.freezer().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// True while its slot is this root's.
    fn is_current(&self) -> bool {
        self.tracker.root(self.root.slot.slot).is_some_and(|r| r.generation == self.root.slot.generation)
    }
}

/// How long newborns are decided at birth: beyond the command's life, for forks that were in flight.
pub(super) const BROADCAST: Duration = Duration::from_secs(2);

/// Above this many, one batch read of all members is cheaper than single look-ups.
const BATCH_FROM: usize = 512;

fn place(m: &Member) -> Slot {
    Slot { slot: m.root, generation: m.generation }
}

impl Family for Lineage<'_> {
    type Fd = OwnedFd;

    fn listed(&self) -> Vec<u32> {
        let slots = self.slots();
        if let [one] = slots[..] {
            return self.tracker.listed(&|s| u32::from(s) == one);
        }
        let mut set = vec![false; 1 << 16];
        for s in slots {
            set[s as usize] = true;
        }
        self.tracker.listed(&|s| set[s as usize])
    }

    fn listed_whole(&self) -> (Vec<u32>, bool) {
        if self.tracker.broadcasts().is_none() {
            return (self.listed(), true);
        }
        // Counted after the index entry is there, and before the creator can end: a birth that was counted as an insertion
        // before the list began may be indexed behind the list's back.
        let before = self.indexed();
        let listed = self.listed();
        (listed, self.indexed() == before)
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let m = self.tracker.member(tgid)?;
        Ok(m.filter(|m| self.places().contains(&place(m))))
    }

    fn members(&self, tgids: &[u32]) -> Vec<Member> {
        let places = self.places();
        let ours = |m: &Member| places.contains(&place(m));
        if tgids.len() < BATCH_FROM {
            return tgids
                .iter()
                .filter_map(|&t| self.tracker.member(t).ok().flatten())
                .filter(ours)
                .collect();
        }
        let Ok(mut all) = self.tracker.all_members() else { return Vec::new() };
        all.retain(|m| ours(m) && tgids.binary_search(&m.tgid).is_ok());
        all.sort_by_key(|m| m.tgid);
        all.dedup_by_key(|m| m.tgid);
        all
    }

    fn dead(&self) -> Vec<Dead> {
        let places = self.places();
        let mut dead = self.tracker.past().and_then(|p| p.dead().ok()).unwrap_or_default();
        dead.retain(|d| places.contains(&place(&d.member)));
        dead
    }

    fn open(&self, tgid: u32) -> io::Result<OwnedFd> {
        proc::pidfd_open(tgid)
    }

    fn inode(&self, fd: &OwnedFd) -> Option<u64> {
        proc::pidfd_inode(fd).ok()
    }

    fn send(&self, fd: &OwnedFd, signal: i32, value: Option<i32>) -> io::Result<()> {
        proc::pidfd_send(fd, signal, value)
    }

    fn ended(&self, fd: &OwnedFd) -> bool {
        proc::pidfd_ended(fd)
    }

    fn pause(&self, fd: Option<&OwnedFd>, most: Duration) {
        match fd {
            Some(fd) => proc::pidfd_wait(fd, most),
            None => std::thread::sleep(most),
        }
    }

    fn census(&self) -> Census {
        let slots = self.slots();
        let roots = slots.iter().map(|&s| (s, self.tracker.slot(s).map_or(0, |r| r.generation))).collect();
        let inserts = slots.iter().map(|&s| self.tracker.pop(s).inserts).sum();
        fence(Ordering::SeqCst);
        let tasks = slots.iter().map(|&s| self.tracker.count(s)).sum();
        fence(Ordering::SeqCst);
        Census { roots, inserts, tasks }
    }

    fn close_gate(&self, until: u64) {
        if self.is_current() {
            self.tracker.close_gate(self.root.slot.slot, until);
        }
        // It may have been forgotten, and its slot given away, between the look and the change.
        if !self.is_current() {
            self.tracker.open_gate(self.root.slot.slot, until);
        }
    }

    fn open_gate(&self, until: u64) {
        self.tracker.open_gate(self.root.slot.slot, until);
    }

    fn gate_at_birth(&self) -> bool {
        self.tracker.gate().is_some_and(|g| g.at_birth().is_some())
    }

    fn gate_at_syscalls(&mut self) -> io::Result<bool> {
        self.syscalls.step(self.tracker.gate().ok_or(io::ErrorKind::Unsupported)?)
    }

    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize {
        // One broadcast at a time: claims are one word a process, and roots are nested.
        self.lock = self.tracker.lock().ok();
        self.signal = signal;
        self.lapses.set(self.lapses_now());
        let behind = self.let_settle(signal);
        self.epoch = mem::monotonic_ns() & claim::EPOCH_MASK;
        let Some(broadcasts) = self.tracker.broadcasts() else { return behind };
        if self.census().tasks > self.listed().len() as i64 {
            // Of a process with threads one may take the signal while another forks.
            self.marks = broadcasts.stamp_calls(self.root.slot.slot, self.epoch).unwrap_or_else(|e| {
                log::warn!("starts of forks are not told: {e}");
                None
            });
        }
        let until = mem::monotonic_ns() + BROADCAST.as_nanos() as u64;
        // Where they are not sent it at birth anyway, nothing changes.
        self.later.set(value.is_some() && self.sends_at_birth());
        let b = Broadcast { epoch: self.epoch, signal, value, newborns, later: self.later.get() };
        if self.is_current() {
            broadcasts.begin(self.root.slot.slot, &b, until);
        }
        behind
    }

    fn go_on(&self) {
        let now = mem::monotonic_ns();
        if let Some(b) = self.tracker.broadcasts().filter(|_| self.is_current()) {
            b.renew(self.root.slot.slot, now, now + BROADCAST.as_nanos() as u64);
        }
    }

    fn sends_at_birth(&self) -> bool {
        // Where nothing is decided at birth, nobody is left to the sweeper.
        self.tracker.broadcasts().is_none_or(|b| b.sends_at_birth() && !self.later.get())
    }

    fn leave_to_births(&self) -> bool {
        let was = self.later.replace(false);
        if let Some(b) = self.tracker.broadcasts().filter(|_| was) {
            b.leave_to_births(self.root.slot.slot);
        }
        was
    }

    fn pending(&self) -> Pending {
        if self.sends_at_birth() && !self.can_lapse() { Pending::No } else { self.worst_pending() }
    }

    fn finish(&mut self) -> bool {
        self.leave_to_births();
        let over = self.end_marks();
        self.lock = None;
        over
    }

    fn claim(&self, tgid: u32) -> u64 {
        let Some(broadcasts) = self.tracker.broadcasts() else { return self.owes_nothing(tgid) };
        broadcasts.claim(tgid).map_or(claim::NONE, |w| claim::state(w.load(Ordering::SeqCst), self.epoch))
    }

    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool {
        let Some(broadcasts) = self.tracker.broadcasts() else {
            if to == claim::SENT {
                self.sent.borrow_mut().insert(tgid, mem::boottime_ns());
            }
            return true;
        };
        // A number beyond the words (pid_max was raised since): nobody decides about it but this sweep.
        let Some(w) = broadcasts.claim(tgid) else { return true };
        let old = w.load(Ordering::SeqCst);
        let to = claim::word(self.epoch, self.signal as u32, to);
        claim::state(old, self.epoch) == from
            && w.compare_exchange(old, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn unknown(&self) -> Vec<(Member, i32)> {
        self.tell_unknown()
    }

    fn set_freeze(&self, to: u64) -> io::Result<u64> {
        self.lapses.set(self.lapses_now());
        self.freezer()?.freeze(self.root.slot, to)
    }

    fn stillness(&self, m: &Member) -> Still {
        super::stillness::of(m)
    }

    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()> {
        match self.freezer()?.note_stopped(self.root.slot, m.tgid, on) {
            // It has ended.
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            r => r,
        }
    }

    fn cancel_marks(&self) -> usize {
        self.slots().into_iter().map(|s| self.tracker.cancel_marks(s)).sum()
    }

    fn repair(&self) -> io::Result<()> {
        self.tracker.hooks().map_or(Ok(()), |h| h.repair())
    }

    fn can_lapse(&self) -> bool {
        self.lapses.get().is_some()
    }

    fn lapsed(&self) -> bool {
        self.look_for_lapses()
    }

    fn interrupted(&self) -> bool {
        interrupt::came().is_some()
    }

    fn monotonic(&self) -> u64 {
        mem::monotonic_ns()
    }

    fn boottime(&self) -> u64 {
        mem::boottime_ns()
    }

    fn explain(&self, m: &Member) -> (&'static str, String) {
        super::describe::explain(m)
    }
}
