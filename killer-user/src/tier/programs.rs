//! The tiers of eBPF programs behind the interface.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use killer_common::record::{B_HOLD, Dead, Ending, Member, Pop, Reasons, Root};
use killer_common::{gate, reason};

use super::{Closes, Held, Keep, Lock, Spawned, Taken, Whose};
use crate::bpf::{Adoption, BpfError, Broadcast, Health, Relay, Slot, SyscallGate, Tracker, canary};
use crate::kernel::probe;
use crate::kernel::tier::Tier;
use crate::sys::launch::{self, Launch};
use crate::sys::mem;

const ADOPT_LEASE: Duration = Duration::from_secs(5);
const ADOPT_PASSES: u32 = 24;

/// The mark must have been consumed by the fork, else the hooks did not run; and by this fork: a kill may have taken it
/// away before (models: `seeds::membership_not_asked`), so the child is looked up, too.
fn consumed(t: &Tracker, s: Slot, child: i32) -> io::Result<()> {
    let marked = t.unseed()?;
    let member = t.member(child as u32)?.is_some_and(|m| m.root == s.slot && m.generation == s.generation);
    if marked || !member {
        return Err(io::Error::other(
            "the kernel's fork hook did not run, or a kill of this service came first: nothing was started",
        ));
    }
    Ok(())
}

/// Fills a root from a running process until the passes add nothing (docs/PROTOCOL.md 7).
fn take(t: &Tracker, slot: Slot, whose: Whose) -> io::Result<Taken> {
    if !t.can_walk() {
        return Err(io::Error::other(
            "this tier has no walk over all tasks (the kernel has no BTF): start the service with 'run' instead",
        ));
    }
    // The hold keeps the count above 0 until the first member is there; it goes with this process.
    t.hold(slot)?;
    t.reason(slot, reason::ADOPTED)?;
    let cleared = t.clear_edges();
    let before = t.global();
    let from = (whose.0, whose.1, if t.has_inodes() { whose.2 } else { 0 });
    let mut passes = 0;
    let mut quiet = 0;
    while passes < ADOPT_PASSES && quiet < 2 {
        let until = mem::monotonic_ns() + ADOPT_LEASE.as_nanos() as u64;
        t.adopt_mode(Some(Adoption { into: slot, until, from }))?;
        let added = t.global().added;
        t.walk()?;
        passes += 1;
        quiet = if t.global().added == added { quiet + 1 } else { 0 };
    }
    let odd = t.global().edge_errors != before.edge_errors || quiet < 2 || !cleared;
    if odd {
        t.reason(slot, reason::ADOPT_UNSURE)?;
    }
    Ok(Taken { passes, quiet: !odd })
}

impl Keep for Tracker {
    fn tier(&self) -> Tier {
        self.tier()
    }

    fn lock(&self) -> Result<Lock, BpfError> {
        Ok(Lock::Pins(self.lock()?))
    }

    fn slot(&self, slot: u32) -> Option<Root> {
        self.slot(slot)
    }

    fn roots(&self) -> Vec<(u32, Root)> {
        self.roots()
    }

    fn free_slot(&self) -> Option<Slot> {
        self.free_slot()
    }

    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot> {
        self.create(old, parent, flags, name)
    }

    fn go_live(&self, s: Slot) -> io::Result<()> {
        self.go_live(s)
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        self.forget(s)
    }

    fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
        self.rename(s, name)
    }

    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
        self.set_main(s, tgid)
    }

    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        // Who ends together can leave some of them behind.
        self.tidy_ancestors();
        self.note_kill(s, signal, uid, outcome)
    }

    fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.reason(s, reason)
    }

    fn reason_times(&self, s: Slot, reason: u32, times: u64) -> io::Result<()> {
        self.reason_times(s, reason, times)
    }

    fn reasons(&self, slot: u32) -> Option<Reasons> {
        self.reasons(slot)
    }

    fn health(&self) -> Health {
        self.health()
    }

    fn lapses(&self) -> Option<(u64, u64)> {
        probe::can_skip().then(|| (self.skipped(), self.global().walk_indexed))
    }

    fn unheard(&self) -> io::Result<Option<u32>> {
        self.unheard()
    }

    fn note_misses(&self, total: u64) -> io::Result<()> {
        self.note_misses(total)
    }

    fn cannot_miss(&self) -> bool {
        self.cannot_miss()
    }

    fn sound(&self) -> io::Result<()> {
        self.sound()
    }

    fn count(&self, slot: u32) -> i64 {
        self.count(slot)
    }

    fn pop(&self, slot: u32) -> Pop {
        self.pop(slot)
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        self.member(tgid)
    }

    fn all_members(&self) -> io::Result<Vec<Member>> {
        self.all_members()
    }

    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        self.listed(set)
    }

    fn dead(&self) -> io::Result<Vec<Dead>> {
        self.tidy_ancestors();
        self.dead()
    }

    fn ending(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending> {
        self.ending(set)
    }

    fn walk(&self) -> io::Result<()> {
        self.repair()
    }

    fn whose(&self) -> io::Result<Option<u32>> {
        self.whose()
    }

    fn leave(&self) -> io::Result<bool> {
        self.leave()
    }

    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        let spawned = launch::spawn(
            l,
            || self.seed(s, flags),
            |pid| {
                consumed(self, s, pid)?;
                ready(pid)
            },
        );
        if spawned.is_err() {
            let _ = self.unseed();
        }
        spawned
    }

    fn adopt(&self, s: Slot, whose: Whose) -> io::Result<Taken> {
        let taken = take(self, s, whose);
        let _ = self.adopt_mode(None);
        let _ = self.unseed();
        taken
    }

    fn close_gate(&self, slot: u32, until: u64) {
        if self.cannot_miss() && !self.witness_acts() {
            // Attached, and silent: the fork hooks register, and their gate is used.
            if let Some(generation) = self.root(slot).map(|r| r.generation) {
                let _ = self.reason(Slot { slot, generation }, reason::WITNESS);
            }
        }
        let word = gate::word(gate::KILL, until);
        // The later deadline stands: another sweeper of the same root is never cut short.
        let _ = self.gate(slot).fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| {
            (gate::deadline(old) < gate::deadline(word)).then_some(word)
        });
    }

    fn open_gate(&self, slot: u32, until: u64) {
        let word = gate::word(gate::KILL, until);
        let _ = self.gate(slot).compare_exchange(word, gate::OPEN, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn gated(&self, slot: u32) -> bool {
        gate::kind_at(self.gate(slot).load(Ordering::SeqCst), mem::monotonic_ns()) != gate::OPEN
    }

    fn birth_gate(&self) -> Option<&'static str> {
        self.birth_gate()
    }

    fn syscall_gate(&self) -> io::Result<Closes> {
        let close = SyscallGate::prepare(self)?;
        Ok(Box::new(move || Ok(Box::new(close()?))))
    }

    fn syscall_gate_acts(&self) -> bool {
        canary::doomed(self)
    }

    fn decides_newborns(&self) -> bool {
        self.gate_at_birth()
    }

    fn broadcast(&self, slot: u32, b: &Broadcast, until: u64) {
        self.broadcast(slot, b, until);
    }

    fn leave_to_births(&self, slot: u32) {
        self.leave_to_births(slot);
    }

    fn renew_broadcast(&self, slot: u32, now: u64, until: u64) -> Option<i32> {
        self.renew_broadcast(slot, now, until)
    }

    fn mark_calls(&self, slot: u32, epoch: u64) -> io::Result<Option<Box<dyn Held>>> {
        if self.cannot_miss() {
            return Ok(None);
        }
        let held = SyscallGate::entries(self)?;
        self.marks_for(slot, epoch);
        Ok(Some(Box::new(held)))
    }

    fn end_marks(&self, slot: u32) {
        self.marks_for(slot, 0);
    }

    fn cannot_freeze(&self) -> Option<&'static str> {
        None
    }

    fn freeze(&self, s: Slot, to: u64) -> io::Result<u64> {
        self.freeze(s, to)
    }

    fn note_stopped(&self, s: Slot, tgid: u32, on: bool) -> io::Result<()> {
        self.note_stopped(s, tgid, on)
    }

    fn set_stop(&self, s: Slot, text: &[u8]) -> io::Result<()> {
        self.set_stop(s, text)
    }

    fn stop(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
        self.stop(s)
    }

    fn claim(&self, tgid: u32) -> Option<&AtomicU64> {
        self.claim(tgid)
    }

    fn sends_at_birth(&self) -> bool {
        self.gate_at_birth()
    }

    fn decides_births(&self) -> bool {
        true
    }

    fn cancel_marks(&self, slot: u32) -> usize {
        let Some(generation) = self.root(slot).map(|r| r.generation) else { return 0 };
        let marks = self.marks(slot).unwrap_or_default();
        let pending = marks.iter().filter(|(_, mark)| mark.flags & B_HOLD == 0);
        pending
            .filter(|(task, _)| self.cancel_seed(Slot { slot, generation }, *task).unwrap_or(false))
            .count()
    }

    fn relay(&self) -> Option<Box<dyn Held + '_>> {
        match Relay::start(self) {
            Ok(r) => Some(Box::new(r)),
            Err(e) => {
                log::warn!("{e}");
                None
            }
        }
    }
}
