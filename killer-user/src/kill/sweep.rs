//! Passes over the set: index → identity → signal, the oldest first, until nothing is new.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use killer_common::record::Member;

use super::gate::Lease;
use super::line::oldest_first;
use super::parents::Parents;
use super::wanted::wanted;
use super::{Fate, Order, Outcome, SIGKILL, SIGSTOP, Survivor, Target, proof};
use crate::lineage::{Clock, Gated, Members, Repairs, Signals, Sweeping};
use crate::sys::alive::Identity;
use crate::sys::limits;
use crate::sys::proc::{no_room, none_there};

/// One order's passes.
pub struct Sweep<'o, Fd> {
    pub(super) order: &'o Order,
    /// What was signalled, and when (CLOCK_BOOTTIME ns, read before it was sent).
    pub(super) sent: HashMap<Identity, u64>,
    targets: Vec<Target>,
    /// What is slept on between passes, at most `most`. However many are signalled: a descriptor is no condition for
    /// a signal.
    held: VecDeque<Fd>,
    most: usize,
    pub(super) passes: u32,
    cancelled: usize,
    pub(super) gates: super::Gates,
    last_sent: u64,
    /// Somebody may have been missed.
    pub(super) unsure: bool,
    /// Births went on to the end, so whether a process runs is not known.
    pub(super) fled: bool,
    /// Children that are forked from now on may get a queued value as the kernel's own signal.
    pub(super) unlike: bool,
    /// Members that had not taken the same signal of the broadcast before.
    pub(super) behind: usize,
    /// Of the targets, those from here on were looked at for one to sleep on.
    youngest: usize,
}

/// So many members at a time are handed to the kernel sweep.
const CHUNK: usize = 1024;

impl<'o, Fd> Sweep<'o, Fd> {
    /// Nothing has been done yet.
    pub fn new(order: &'o Order) -> Self {
        Self {
            order,
            sent: HashMap::new(),
            targets: Vec::new(),
            held: VecDeque::new(),
            most: limits::some_descriptors(),
            passes: 0,
            cancelled: 0,
            gates: super::Gates::default(),
            last_sent: 0,
            unsure: false,
            fled: false,
            unlike: false,
            behind: 0,
            youngest: 0,
        }
    }

    /// A dry run: names what would be signalled.
    pub fn dry_run<F: Members + Clock>(&mut self, family: &F) {
        let wanted = wanted(self.order, family);
        self.targets.extend(wanted.into_iter().map(|member| Target { member, fate: Fate::Signalled }));
        self.passes = 1;
    }

    /// Sends to one member. It is that member, or nothing is sent: the pidfd is opened by number, and then either
    /// its inode is the entry's (an inode names one process for this boot), or the entry is read again and
    /// still equal, so that the process had the number all the time (docs/internals/PROTOCOL.md 2).
    pub(super) fn send<F>(&mut self, family: &F, m: Member)
    where
        F: Members + Signals<Fd = Fd> + Clock,
    {
        self.send_signal(family, m, self.order.signal);
    }

    /// The order's signal to these, in this order: SIGKILL and SIGSTOP by the kernel sweep where there is one.
    pub(super) fn send_all<F>(&mut self, family: &F, members: Vec<Member>)
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock,
    {
        let signal = self.order.signal;
        match signal {
            SIGKILL | SIGSTOP => self.sweep(family, &members, signal, self.order.spared()),
            _ => members.into_iter().for_each(|m| self.send(family, m)),
        }
    }

    /// A signal to these, in this order: by the kernel sweep where there is one. What that leaves out is opened, as all are where there
    /// is none. `near`: so many, the caller and its nearest ancestors, are spared.
    pub(super) fn sweep<F>(&mut self, family: &F, members: &[Member], signal: i32, near: usize)
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock,
    {
        for some in members.chunks(CHUNK) {
            let at = family.boottime();
            let Some(swept) = family.sweep(some, signal, near) else {
                for m in some {
                    self.send_signal(family, *m, signal);
                }
                continue;
            };
            for (&member, fate) in some.iter().zip(swept) {
                let spared = || self.order.caller[..near].contains(&member.tgid);
                // It has ended, or a thread that was to answer for it ended in that moment.
                if fate != Fate::Signalled && !spared() {
                    self.send_signal(family, member, signal);
                    continue;
                }
                self.sent.insert(Identity::of(&member), at);
                self.targets.push(Target { member, fate });
            }
            self.last_sent = family.monotonic();
        }
        self.youngest = self.targets.len();
    }

    /// Those of the targets from `from` on to whom it was refused, and why.
    pub(super) fn refused(&self, from: usize) -> Vec<(Member, i32)> {
        let refused = |t: &Target| if let Fate::Refused(e) = t.fate { Some((t.member, e)) } else { None };
        self.targets[from..].iter().filter_map(refused).collect()
    }

    /// How many targets there are.
    pub(super) fn reached(&self) -> usize {
        self.targets.len()
    }

    /// As [`Self::send`], another signal than the order's; what came of it.
    pub(super) fn send_signal<F>(&mut self, family: &F, m: Member, signal: i32) -> Option<Fate>
    where
        F: Members + Signals<Fd = Fd> + Clock,
    {
        self.deliver(family, m, signal, || true, |_| {})
    }

    /// Sends a signal to one member; after its identity was checked `may` says whether, and `then` is told what came
    /// of it.
    /// `None`: it may not, and may be tried again.
    pub(super) fn deliver<F>(
        &mut self,
        family: &F,
        m: Member,
        signal: i32,
        may: impl FnOnce() -> bool,
        then: impl FnOnce(Fate),
    ) -> Option<Fate>
    where
        F: Members + Signals<Fd = Fd> + Clock,
    {
        self.sent.insert(Identity::of(&m), family.boottime());
        let fate = match self.open(family, m.tgid) {
            Err(e) if none_there(&e) => Fate::Gone,
            Err(e) => Fate::Refused(e.raw_os_error().unwrap_or(libc::EIO)),
            Ok(fd) => {
                let same = match (m.inode, family.inode(&fd)) {
                    (0, _) | (_, None) => {
                        matches!(family.member(m.tgid), Ok(Some(n)) if Identity::of(&n) == Identity::of(&m) && n.root == m.root)
                    }
                    (a, Some(b)) => a == b,
                };
                if same && !may() {
                    self.sent.remove(&Identity::of(&m));
                    return None;
                }
                let fate = if same { sent(family.send(&fd, signal, self.order.value)) } else { Fate::Gone };
                if same {
                    then(fate);
                }
                if fate == Fate::Signalled {
                    family.witness(&m, &fd);
                    self.hold(fd);
                }
                fate
            }
        };
        self.last_sent = family.monotonic();
        self.targets.push(Target { member: m, fate });
        Some(fate)
    }

    /// Keeps what the sweeper sleeps on between passes: the last ones end last. No look at the others: that would be
    /// a system call for each of them at each signal.
    fn hold(&mut self, fd: Fd) {
        self.held.push_back(fd);
        if self.held.len() > self.most {
            self.held.pop_front();
        }
    }

    /// Opens the process that has this number now; what is only slept on makes room when there are no descriptors left.
    fn open<F: Signals<Fd = Fd>>(&mut self, family: &F, tgid: u32) -> std::io::Result<Fd> {
        loop {
            match family.open(tgid) {
                Err(e) if no_room(&e) && self.held.pop_front().is_some() => {}
                r => return r,
            }
        }
    }

    /// KILL to all: until the kernel says empty, or patience is at an end.
    pub fn until_empty<F>(&mut self, family: &mut F, gate: &mut Lease)
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock + Gated + Repairs,
    {
        let began = family.monotonic();
        self.cancelled += family.cancel_marks();
        let mut idle = 0u32;
        let (mut stuck, mut left) = (0u32, i64::MAX);
        let (mut inserts, mut numbers, mut whole) = (0, HashSet::new(), true);
        let mut parents = Parents::default();
        loop {
            let before = std::mem::replace(&mut inserts, family.census().inserts);
            let listed = family.listed();
            // When no process was born since the list before, one that was sent it still has its number or nobody has.
            let unknown = |t: &u32| whole || inserts != before || !numbers.contains(t);
            let asked: Vec<u32> = listed.iter().copied().filter(unknown).collect();
            let mut new = family.members(&asked);
            new.retain(|m| !self.sent.contains_key(&Identity::of(m)) && !parents.are(m));
            oldest_first(&mut new);
            numbers.extend(new.iter().map(|m| m.tgid));
            let mut due = parents.due(&listed, inserts != before, family.monotonic());
            if self.passes == 0 && gate.gates.birth {
                parents = Parents::of(&mut new, family, self.order.patience);
            }
            if !new.is_empty() || self.passes == 0 {
                self.passes += 1;
            }
            due.append(&mut new);
            let found = !due.is_empty();
            self.send_all(family, due);
            if proof::empty(family) {
                break;
            }
            let late = family.monotonic() - began >= self.order.patience.as_nanos() as u64;
            if late || family.interrupted() {
                break;
            }
            gate.renew(family);
            gate.at_syscalls(family);
            if found {
                idle = 0;
                if self.passes > 1 {
                    // The first pass did not empty the set: somebody forks against us.
                    gate.want_syscalls();
                }
                self.rest(family, Duration::from_micros(200));
                continue;
            }
            // Nothing new, and the count is not 0: exits are under way, or a launcher, or the index lacks one.
            idle += 1;
            self.cancelled += family.cancel_marks();
            let forgiven = self.forgive(family);
            self.hold_last_of(family, &listed);
            self.rest(family, Duration::from_micros(500 << idle.min(6)));
            let tasks = family.census().tasks;
            stuck = if tasks < left { 0 } else { stuck + 1 };
            left = tasks;
            // A birth may have been counted before the list before, and come into the index after it.
            whole = forgiven || stuck > 0;
            // While the count falls, exits are under way, and a look at all tasks of the host would only slow them.
            if stuck == 4 || stuck % 64 == 63 {
                let _ = family.repair();
            }
        }
        self.send_all(family, parents.all());
        self.gates = gate.gates;
    }

    /// Opens the youngest of these that was sent it, to be slept on, when nothing is open for that any more.
    fn hold_last_of<F: Signals<Fd = Fd>>(&mut self, family: &F, listed: &[u32]) {
        while self.held.is_empty() && self.youngest > 0 {
            self.youngest -= 1;
            let Some(tgid) = self.targets.get(self.youngest).map(|t| t.member.tgid) else { continue };
            if listed.binary_search(&tgid).is_ok()
                && let Ok(fd) = self.open(family, tgid)
            {
                self.hold(fd);
            }
        }
    }

    /// Sends again to what was sent KILL and is not on its way: nothing but a refusal can leave it there.
    /// Answers whether there is one.
    fn forgive<F: Members>(&mut self, family: &F) -> bool {
        let failed: Vec<Identity> = self
            .targets
            .iter()
            .filter(|t| !matches!(t.fate, Fate::Signalled))
            .map(|t| Identity::of(&t.member))
            .collect();
        if failed.is_empty() {
            return false;
        }
        let still: HashSet<Identity> = family.members(&family.listed()).iter().map(Identity::of).collect();
        let forgiven: HashSet<Identity> = failed.into_iter().filter(|k| still.contains(k)).collect();
        if forgiven.is_empty() {
            return false;
        }
        self.sent.retain(|k, _| !forgiven.contains(k));
        self.targets.retain(|t| !forgiven.contains(&Identity::of(&t.member)));
        true
    }

    /// Sleeps until something that was signalled has ended, or so long.
    pub(super) fn rest<F: Signals<Fd = Fd>>(&mut self, family: &F, most: Duration) {
        while self.held.back().is_some_and(|fd| family.ended(fd)) {
            self.held.pop_back();
        }
        family.pause(self.held.back(), most);
    }

    /// Everything that was done.
    pub fn outcome<F: Clock>(
        self,
        family: &F,
        began: u64,
        before: i64,
        after: i64,
        empty: bool,
        survivors: Vec<Survivor>,
    ) -> Outcome {
        Outcome {
            targets: self.targets,
            tasks_before: before,
            tasks_after: after,
            empty,
            passes: self.passes,
            unsure: self.unsure,
            fled: self.fled,
            unlike: self.unlike,
            behind: self.behind,
            gates: self.gates,
            cancelled: self.cancelled,
            survivors,
            signalled_after: self.last_sent.saturating_sub(began),
            ended_after: family.monotonic() - began,
        }
    }
}

fn sent(r: std::io::Result<()>) -> Fate {
    match r {
        Ok(()) => Fate::Signalled,
        Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Fate::Gone,
        Err(e) => Fate::Refused(e.raw_os_error().unwrap_or(libc::EIO)),
    }
}
