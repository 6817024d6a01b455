//! The set that is signalled, as the tracker keeps it: a root with the roots inside it.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use killer_common::record::{Dead, Member};

use super::broadcast::Cast;
use super::family::{Census, Clock, Members, Signals, Sweeping};
use super::syscall_gate::Closing;
use crate::keep::{Fate, Lapses, Slot};
use crate::lookup::{Root, registry};
use crate::sys::alive::Identity;
use crate::sys::{clock, interrupt, proc};
use crate::tier::Tracker;

/// A root and the roots inside it, from the tracker.
#[derive(Debug)]
pub struct Lineage<'a> {
    pub(super) tracker: &'a Tracker,
    pub(super) root: Root,
    pub(super) syscalls: Closing,
    pub(super) cast: Cast,
    /// As the order began, or when it was asked last.
    pub(super) lapses: Cell<Option<Lapses>>,
    /// When this process first looked a service up, `CLOCK_BOOTTIME` ns: what the service has opened since belongs to the order,
    /// while an instance that holds the caller is older.
    since: u64,
}

impl<'a> Lineage<'a> {
    /// The family of a root.
    pub fn new(tracker: &'a Tracker, root: Root) -> Self {
        let since = clock::began();
        Self { tracker, root, syscalls: Closing::No, cast: Cast::default(), lapses: Cell::new(None), since }
    }

    /// Its root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The tracker that it is read from.
    pub fn tracker(&self) -> &'a Tracker {
        self.tracker
    }

    /// Slots of the root and of those inside it.
    pub fn slots(&self) -> Vec<u32> {
        self.places().into_iter().map(|s| s.slot).collect()
    }

    /// The same with their generations, which tell a former member from one of a slot that was used again. Nobody
    /// when the root was forgotten: then nothing is left of it.
    pub(super) fn places(&self) -> Vec<Slot> {
        registry::places(self.tracker, &self.now())
    }

    /// The root with the instances that have come out of it since.
    pub(super) fn now(&self) -> Root {
        registry::grown(self.tracker, &self.root, self.since)
    }

    /// Slots of the root and of the other instances, which are nobody else's now: what holds for one of them holds for
    /// all that is inside.
    pub(super) fn tops(&self) -> Vec<u32> {
        self.now().instances().filter(|s| self.is_current(*s)).map(|s| s.slot).collect()
    }

    /// True while a slot is this root's, or this instance's.
    pub(super) fn is_current(&self, s: Slot) -> bool {
        self.tracker.root(s.slot).is_some_and(|r| r.generation == s.generation)
    }
}

/// Above this many, one batch read of all members is cheaper than single look-ups.
const BATCH_FROM: usize = 512;

fn place(m: &Member) -> Slot {
    Slot { slot: m.root, generation: m.generation }
}

impl Members for Lineage<'_> {
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
        let Ok(all) = self.tracker.all_members() else { return Vec::new() };
        let mut at = vec![None; tgids.len()];
        for m in all {
            if let Ok(i) = tgids.binary_search(&m.tgid) {
                at[i] = Some(m);
            }
        }
        // What is listed and was not read has ended, or its record has gone elsewhere meanwhile.
        let one = |(m, &tgid): (Option<Member>, &u32)| m.or_else(|| self.tracker.member(tgid).ok().flatten());
        at.into_iter().zip(tgids).filter_map(one).filter(ours).collect()
    }

    fn dead(&self) -> Vec<Dead> {
        let places = self.places();
        let mut dead = self.tracker.past().and_then(|p| p.dead().ok()).unwrap_or_default();
        dead.retain(|d| places.contains(&place(&d.member)));
        dead
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

    fn heedless(&self, m: &Member) -> bool {
        super::heedless::heedless(m)
    }

    fn explain(&self, m: &Member) -> (&'static str, String) {
        super::describe::explain(m)
    }
}

impl Signals for Lineage<'_> {
    type Fd = OwnedFd;

    fn open(&self, tgid: u32) -> io::Result<OwnedFd> {
        proc::pidfd_open(tgid)
    }

    fn inode(&self, fd: &OwnedFd) -> Option<u64> {
        proc::pidfd_inode(fd).ok()
    }

    fn send(&self, fd: &OwnedFd, signal: i32, value: Option<i32>) -> io::Result<()> {
        proc::pidfd_send(fd, signal, value)
    }

    fn witness(&self, m: &Member, fd: &OwnedFd) {
        self.tracker.witness(Identity::of(m), fd);
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
}

impl Sweeping for Lineage<'_> {
    fn sweep(&self, members: &[Member], signal: i32, near: usize) -> Option<Vec<Fate>> {
        let near = u32::try_from(near).unwrap_or(u32::MAX);
        let swept = self.tracker.sweeps()?.sweep(members, signal, near);
        swept.inspect_err(|e| log::debug!("the kernel sweep: {e}")).ok()
    }
}

impl Clock for Lineage<'_> {
    fn monotonic(&self) -> u64 {
        clock::monotonic_ns()
    }

    fn boottime(&self) -> u64 {
        clock::boottime_ns()
    }

    fn interrupted(&self) -> bool {
        interrupt::came().is_some()
    }
}
