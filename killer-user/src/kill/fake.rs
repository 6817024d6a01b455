//! A kernel of numbers behind the engine's door: between any two calls of the engine, one scripted event happens.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use killer_common::claim;
use killer_common::record::Member;

use crate::lineage::{Census, Family};

/// What may happen between two calls.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// The n-th living process that may fork does; the child takes the m-th free number.
    Fork(u8, u8),
    /// The n-th living member exits.
    Exit(u8),
    /// The n-th living member execs, from whatever thread.
    Exec(u8),
    /// A stranger takes the n-th free number.
    Stranger(u8),
    /// The n-th stranger exits.
    StrangerExit(u8),
    /// The index entries of the dead are dropped at last.
    Tidy,
    /// A doomed process is gone.
    Die(u8),
}

#[derive(Clone, Debug)]
pub struct Proc {
    pub start: u64,
    pub member: bool,
    pub doomed: bool,
    pub forks_left: u32,
    pub signals: u32,
    pub claim: u64,
    pub owed: bool,
}

#[derive(Debug, Default)]
pub struct World {
    pub procs: BTreeMap<u32, Proc>,
    pub index: BTreeMap<u32, Member>,
    pub script: VecDeque<Event>,
    pub now: u64,
    pub inserts: u64,
    pub gate: u64,
    pub violations: Vec<String>,
    pub reaped: Vec<(u32, u64, u32)>,
    pub inodes: bool,
    pub gate_at_birth: bool,
    /// Children of who is claimed are left to the sweeper.
    pub later: bool,
    pub syscalls: bool,
    /// It was asked for once: the next time it is closed.
    pub syscalls_soon: bool,
}

const NUMBERS: u32 = 12;

/// An entry as the tracker would have it.
pub fn entry(tgid: u32, start: u64, inode: u64, creator: (u32, u64)) -> Member {
    Member {
        tgid,
        root: 1,
        generation: 1,
        flags: 0,
        leader_start: start,
        inode,
        signal: start,
        creator_tgid: creator.0,
        uid: 0,
        creator_start: creator.1,
        execs: 0,
        threads: 1,
        born: start,
        comm: [0; 16],
        walk: 0,
        depth: 0,
        above: 0,
        kids: 0,
        spare: 0,
        ended: 0,
        reserved: 0,
    }
}

impl World {
    pub fn birth(&mut self, pid: u32, member: bool, creator: (u32, u64)) {
        self.now += 1;
        let start = self.now;
        self.procs.insert(
            pid,
            Proc {
                start,
                member,
                doomed: false,
                forks_left: 1,
                signals: 0,
                claim: claim::NONE,
                owed: member,
            },
        );
        if member {
            self.inserts += 1;
            let inode = if self.inodes { start + 1_000_000 } else { 0 };
            self.index.insert(pid, entry(pid, start, inode, creator));
        }
    }

    fn end(&mut self, pid: u32) {
        let Some(p) = self.procs.remove(&pid) else { return };
        self.reaped.push((pid, p.start, p.signals));
        // Where pidfds have inodes an exit may be missed, and the entry stays until it is tidied up.
        if !self.inodes {
            self.index.remove(&pid);
        }
    }

    fn nth(&self, n: u8, f: impl Fn(&Proc) -> bool) -> Option<u32> {
        let v: Vec<u32> = self.procs.iter().filter(|(_, p)| f(p)).map(|(k, _)| *k).collect();
        (!v.is_empty()).then(|| v[n as usize % v.len()])
    }

    fn free(&self, n: u8) -> Option<u32> {
        let v: Vec<u32> = (2..2 + NUMBERS).filter(|p| !self.procs.contains_key(p)).collect();
        (!v.is_empty()).then(|| v[n as usize % v.len()])
    }

    pub fn alive(&self) -> usize {
        self.procs.values().filter(|p| p.member).count()
    }

    fn step(&mut self) {
        self.now += 1;
        match self.script.pop_front() {
            None => {
                if let Some(pid) = self.nth(0, |p| p.doomed) {
                    self.end(pid);
                }
            }
            Some(Event::Fork(n, m)) => {
                // A doomed one can have one more child in flight (F4).
                let Some(pid) = self.nth(n, |p| p.member && (!p.doomed || p.forks_left > 0)) else { return };
                let Some(child) = self.free(m) else { return };
                let creator = (pid, self.procs[&pid].start);
                if let Some(p) = self.procs.get_mut(&pid)
                    && p.doomed
                {
                    p.forks_left -= 1;
                }
                self.birth(child, true, creator);
                // A signal is received at once here: who has been sent it has no child behind, but who is claimed has.
                match self.procs[&pid].claim {
                    claim::SENT => {
                        let c = self.procs.get_mut(&child).unwrap();
                        (c.claim, c.owed) = (claim::SENT, false);
                    }
                    claim::CLAIMED if self.later => {}
                    claim::CLAIMED => {
                        let c = self.procs.get_mut(&child).unwrap();
                        (c.claim, c.signals) = (claim::SENT, 1);
                    }
                    _ => {}
                }
                if self.gate > self.now && self.gate_at_birth {
                    self.procs.get_mut(&child).unwrap().doomed = true;
                    self.procs.get_mut(&child).unwrap().forks_left = 0;
                }
            }
            Some(Event::Exit(n)) => {
                if let Some(pid) = self.nth(n, |p| p.member) {
                    self.end(pid);
                }
            }
            Some(Event::Exec(n)) => {
                if let Some(pid) = self.nth(n, |p| p.member)
                    && let Some(m) = self.index.get_mut(&pid)
                {
                    m.execs += 1;
                }
            }
            Some(Event::Stranger(n)) => {
                if let Some(pid) = self.free(n) {
                    self.birth(pid, false, (1, 0));
                }
            }
            Some(Event::StrangerExit(n)) => {
                if let Some(pid) = self.nth(n, |p| !p.member) {
                    self.end(pid);
                }
            }
            Some(Event::Tidy) => self.tidy(),
            Some(Event::Die(n)) => {
                if let Some(pid) = self.nth(n, |p| p.doomed) {
                    self.end(pid);
                }
            }
        }
    }

    fn tidy(&mut self) {
        let stale: Vec<u32> = self
            .index
            .iter()
            .filter(|(k, m)| self.procs.get(k).is_none_or(|p| !p.member || p.start != m.leader_start))
            .map(|(k, _)| *k)
            .collect();
        for k in stale {
            self.index.remove(&k);
        }
    }
}

/// The door.
#[derive(Debug, Default)]
pub struct Fake(pub RefCell<World>);

/// A process that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Pidfd {
    pid: u32,
    start: u64,
}

impl Fake {
    fn at(&self) -> std::cell::RefMut<'_, World> {
        let mut w = self.0.borrow_mut();
        w.step();
        w
    }
}

impl Family for Fake {
    type Fd = Pidfd;

    fn listed(&self) -> Vec<u32> {
        self.at().index.keys().copied().collect()
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        Ok(self.at().index.get(&tgid).copied())
    }

    fn dead(&self) -> Vec<killer_common::record::Dead> {
        Vec::new()
    }

    fn open(&self, tgid: u32) -> io::Result<Pidfd> {
        let w = self.at();
        let p = w.procs.get(&tgid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        Ok(Pidfd { pid: tgid, start: p.start })
    }

    fn inode(&self, fd: &Pidfd) -> Option<u64> {
        let w = self.at();
        w.inodes.then_some(fd.start + 1_000_000)
    }

    fn send(&self, fd: &Pidfd, signal: i32, _: Option<i32>) -> io::Result<()> {
        let mut w = self.at();
        let gone = io::Error::from_raw_os_error(libc::ESRCH);
        let Some(p) = w.procs.get_mut(&fd.pid).filter(|p| p.start == fd.start) else { return Err(gone) };
        p.signals += 1;
        // What the hook on signal_generate does.
        if p.claim == claim::CLAIMED {
            p.claim = claim::SENT;
        }
        if signal == super::SIGKILL {
            p.doomed = true;
        }
        if !p.member {
            let text = format!("stranger {fd:?} was signalled");
            w.violations.push(text);
        }
        Ok(())
    }

    fn ended(&self, fd: &Pidfd) -> bool {
        self.at().procs.get(&fd.pid).is_none_or(|p| p.start != fd.start)
    }

    fn pause(&self, _: Option<&Pidfd>, most: Duration) {
        self.at().now += most.as_nanos() as u64;
    }

    fn census(&self) -> Census {
        let w = self.at();
        Census { roots: vec![(1, 1)], inserts: w.inserts, tasks: w.alive() as i64 }
    }

    fn close_gate(&self, until: u64) {
        self.at().gate = until;
    }

    fn open_gate(&self, until: u64) {
        let mut w = self.at();
        if w.gate == until {
            w.gate = 0;
        }
    }

    fn gate_at_birth(&self) -> bool {
        self.at().gate_at_birth
    }

    fn gate_at_syscalls(&mut self) -> io::Result<bool> {
        let mut world = self.at();
        let asked = std::mem::replace(&mut world.syscalls_soon, true);
        world.syscalls |= asked;
        Ok(asked)
    }

    fn begin(&mut self, _: i32, _: Option<i32>, _: u32) -> usize {
        self.at();
        0
    }

    fn go_on(&self) {}

    fn sends_at_birth(&self) -> bool {
        !self.at().later
    }

    fn leave_to_births(&self) -> bool {
        std::mem::replace(&mut self.at().later, false)
    }

    fn pending(&self) -> crate::lineage::Pending {
        crate::lineage::Pending::No
    }

    fn unknown(&self) -> Vec<(Member, i32)> {
        Vec::new()
    }

    fn set_freeze(&self, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn stillness(&self, _: &Member) -> crate::lineage::Still {
        crate::lineage::Still::Gone
    }

    fn note_stopped(&self, _: &Member, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> bool {
        self.at();
        true
    }

    fn claim(&self, tgid: u32) -> u64 {
        self.at().procs.get(&tgid).map_or(claim::NONE, |p| p.claim)
    }

    fn exchange(&self, tgid: u32, from: u64, to: u64) -> bool {
        match self.at().procs.get_mut(&tgid) {
            Some(p) if p.claim == from => {
                p.claim = to;
                true
            }
            _ => false,
        }
    }

    fn cancel_marks(&self) -> usize {
        0
    }

    fn can_lapse(&self) -> bool {
        false
    }

    fn lapsed(&self) -> bool {
        false
    }

    fn repair(&self) -> io::Result<()> {
        self.at().tidy();
        Ok(())
    }

    fn interrupted(&self) -> bool {
        false
    }

    fn monotonic(&self) -> u64 {
        self.at().now
    }

    fn boottime(&self) -> u64 {
        self.0.borrow().now
    }

    fn explain(&self, _: &Member) -> (&'static str, String) {
        ("alive", "alive".into())
    }
}
