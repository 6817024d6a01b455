//! The set that is signalled: a root with the roots inside it. The engine sees only the [`Family`] trait, so it
//! does not know which tier keeps the set, and its tests put a fake behind it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use killer_common::claim;
use killer_common::record::{Dead, Member};

use super::closing::Closing;
use super::describe::Pending;
use super::still::Still;
use crate::sys::{interrupt, mem, proc};
use crate::target::{Root, registry};
use crate::tier::{Broadcast, Held, Lock, Slot, Tracker};

/// What the kernel counts, read in an order that makes two equal censuses a proof (docs/PROTOCOL.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// (slot, generation) of every root of the family.
    pub roots: Vec<(u32, u32)>,
    /// Insertions ever, of all of them; read before the counts.
    pub inserts: u64,
    /// Tasks alive or being born.
    pub tasks: i64,
}

/// What the engine needs of a set.
pub trait Family {
    /// A process that cannot be mistaken: a pidfd.
    type Fd;
    /// Thread group ids in PID order. It may lack or keep an entry for a moment.
    fn listed(&self) -> Vec<u32>;
    /// The list, and whether nobody was added between its beginning and its end: then whoever lives has somebody in it. A
    /// lineage that hops from number to number can slip from a list in PID order.
    fn listed_whole(&self) -> (Vec<u32>, bool) {
        let before = self.census().inserts;
        let listed = self.listed();
        (listed, self.census().inserts == before)
    }
    /// The entry of a process, when it is in this family.
    fn member(&self, tgid: u32) -> io::Result<Option<Member>>;
    /// Entries of many processes at once, in the order asked.
    fn members(&self, tgids: &[u32]) -> Vec<Member> {
        tgids.iter().filter_map(|&t| self.member(t).ok().flatten()).collect()
    }
    /// Members that have ended, as far as they are remembered.
    fn dead(&self) -> Vec<Dead>;
    /// Opens whatever process has this number now.
    fn open(&self, tgid: u32) -> io::Result<Self::Fd>;
    /// Inode of what was opened; `None` where the kernel has none (before 6.9).
    fn inode(&self, fd: &Self::Fd) -> Option<u64>;
    /// Sends a signal to what was opened.
    fn send(&self, fd: &Self::Fd, signal: i32, value: Option<i32>) -> io::Result<()>;
    /// True when what was opened has ended to its last thread and let go of all it held.
    fn ended(&self, fd: &Self::Fd) -> bool;
    /// Sleeps until one of these ends, or so long.
    fn pause(&self, fd: Option<&Self::Fd>, most: Duration);
    /// The kernel's counts.
    fn census(&self) -> Census;
    /// Closes the gate, or renews it, until then (CLOCK_MONOTONIC ns).
    fn close_gate(&self, until: u64);
    /// Opens the gates that this process closed last with that deadline.
    fn open_gate(&self, until: u64);
    /// True when newborns of a gated family die before their first instruction.
    fn gate_at_birth(&self) -> bool;
    /// Begins to close the gate at system calls, too, or goes on with that: to be asked again until it answers true. It opens
    /// when the family is dropped.
    fn gate_at_syscalls(&mut self) -> io::Result<bool>;
    /// Begins a broadcast: from here on newborns are decided at birth (see `killer_common::claim`); it holds for some time
    /// after the command, for forks in flight. Answers how many members have not taken the same signal of the broadcast
    /// before although it has waited for them: a signal that does not queue is one then.
    /// `newborns` is what newborns get, `killer_common::claim::NEWBORNS_*`.
    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize;
    /// The broadcast goes on.
    fn go_on(&self);
    /// True when newborns that are behind are sent the signal at birth: the sweeper need not find them.
    fn sends_at_birth(&self) -> bool;
    /// From here on newborns that are behind are sent the signal at birth, when that was left to the sweeper so far because a
    /// queued value cannot be sent there as sigqueue(3) sends it; true when that was so.
    fn leave_to_births(&self) -> bool {
        false
    }
    /// Who has it pending, so that his children can be behind; `No` where those are sent it at birth.
    fn pending(&self) -> Pending;
    /// No more claims will be set by this call; newborns are still decided for a while. False when a fork may be in flight whose child
    /// would not be sent what it owes.
    fn finish(&mut self) -> bool;
    /// The claim of a process in this broadcast, `killer_common::claim` states.
    fn claim(&self, tgid: u32) -> u64;
    /// Changes it when it is what it is thought to be.
    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool;
    /// Processes that a sweeper had claimed and perhaps signalled when it died, each with that signal; they are told once.
    fn unknown(&self) -> Vec<(Member, i32)>;
    /// Changes whether newborns and forkers are held still (`R_FREEZING`, `R_FROZEN`, `R_THAWING`, 0); answers what it was.
    fn set_freeze(&self, to: u64) -> io::Result<u64>;
    /// Whether a process can run code of its own.
    fn stillness(&self, m: &Member) -> Still;
    /// Notes whether a member was stopped before the freeze.
    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()>;
    /// Takes launchers' marks away, so that no pending `run` or `exec` adds a process; answers how many.
    fn cancel_marks(&self) -> usize;
    /// Compares the set with every task of the host and repairs it.
    fn repair(&self) -> io::Result<()>;
    /// True where the kernel may skip runs of the hooks, so that a newborn may be in no list.
    fn can_lapse(&self) -> bool;
    /// When runs of the hooks were skipped since this was asked last, or since the order began: compares the set with every
    /// task. True when somebody was found who was in no list.
    fn lapsed(&self) -> bool;
    /// The caller wants this to end (SIGINT, SIGTERM).
    fn interrupted(&self) -> bool;
    /// CLOCK_MONOTONIC, ns.
    fn monotonic(&self) -> u64;
    /// CLOCK_BOOTTIME, ns: what births are in.
    fn boottime(&self) -> u64;
    /// Why a member that was killed is still there: (code, words).
    fn explain(&self, m: &Member) -> (&'static str, String);
}

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
    pub(super) lapses: Cell<Option<(u64, u64)>>,
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
        if !self.tracker.decides_births() {
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
        let mut dead = self.tracker.dead().unwrap_or_default();
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
        self.tracker.birth_gate().is_some()
    }

    fn gate_at_syscalls(&mut self) -> io::Result<bool> {
        self.syscalls.step(self.tracker)
    }

    fn begin(&mut self, signal: i32, value: Option<i32>, newborns: u32) -> usize {
        // One broadcast at a time: claims are one word a process, and roots are nested.
        self.lock = self.tracker.lock().ok();
        self.signal = signal;
        self.lapses.set(self.tracker.lapses());
        let behind = self.let_settle(signal);
        self.epoch = mem::monotonic_ns() & claim::EPOCH_MASK;
        if self.census().tasks > self.listed().len() as i64 {
            // Of a process with threads one may take the signal while another forks.
            self.marks = self.tracker.mark_calls(self.root.slot.slot, self.epoch).unwrap_or_else(|e| {
                log::warn!("starts of forks are not told: {e}");
                None
            });
        }
        let until = mem::monotonic_ns() + BROADCAST.as_nanos() as u64;
        // Where they are not sent it at birth anyway, nothing changes.
        self.later.set(value.is_some() && self.sends_at_birth() && self.tracker.decides_births());
        let b = Broadcast { epoch: self.epoch, signal, value, newborns, later: self.later.get() };
        if self.is_current() {
            self.tracker.broadcast(self.root.slot.slot, &b, until);
        }
        behind
    }

    fn go_on(&self) {
        let now = mem::monotonic_ns();
        if self.is_current() {
            self.tracker.renew_broadcast(self.root.slot.slot, now, now + BROADCAST.as_nanos() as u64);
        }
    }

    fn sends_at_birth(&self) -> bool {
        (self.tracker.sends_at_birth() && !self.later.get()) || !self.tracker.decides_births()
    }

    fn leave_to_births(&self) -> bool {
        let was = self.later.replace(false);
        if was {
            self.tracker.leave_to_births(self.root.slot.slot);
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
        if !self.tracker.decides_births() {
            return self.owes_nothing(tgid);
        }
        self.tracker.claim(tgid).map_or(claim::NONE, |w| claim::state(w.load(Ordering::SeqCst), self.epoch))
    }

    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool {
        if !self.tracker.decides_births() {
            if to == claim::SENT {
                self.sent.borrow_mut().insert(tgid, mem::boottime_ns());
            }
            return true;
        }
        // A number beyond the words (pid_max was raised since): nobody decides about it but this sweep.
        let Some(w) = self.tracker.claim(tgid) else { return true };
        let old = w.load(Ordering::SeqCst);
        let to = claim::word(self.epoch, self.signal as u32, to);
        claim::state(old, self.epoch) == from
            && w.compare_exchange(old, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn unknown(&self) -> Vec<(Member, i32)> {
        super::unknown::tell(self)
    }

    fn set_freeze(&self, to: u64) -> io::Result<u64> {
        self.lapses.set(self.tracker.lapses());
        self.tracker.freeze(self.root.slot, to)
    }

    fn stillness(&self, m: &Member) -> Still {
        super::still::of(m)
    }

    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()> {
        match self.tracker.note_stopped(self.root.slot, m.tgid, on) {
            // It has ended.
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            r => r,
        }
    }

    fn cancel_marks(&self) -> usize {
        self.slots().into_iter().map(|s| self.tracker.cancel_marks(s)).sum()
    }

    fn repair(&self) -> io::Result<()> {
        self.tracker.walk()
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
