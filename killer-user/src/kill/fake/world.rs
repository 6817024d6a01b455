//! Processes as numbers, and one scripted event at a time.

use std::collections::{BTreeMap, VecDeque};

use killer_common::claim;
use killer_common::record::Member;

use crate::sys::alive::Identity;

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
    /// Whom KILL was sent, when, and how many members lived.
    pub kills: Vec<(u32, u64, usize)>,
    /// This one hangs in the kernel, and does not end.
    pub stuck: Option<u32>,
    /// Parents wait for their children.
    pub waits: bool,
    /// So many numbers more than usual.
    pub room: u32,
    pub inodes: bool,
    pub gate_at_birth: bool,
    /// It has the kernel sweep.
    pub kernel: bool,
    /// That leaves members out.
    pub half: bool,
    /// Children of a process that is claimed are left to the sweeper.
    pub later: bool,
    pub syscalls: bool,
    /// It was asked for once: the next time it is closed.
    pub syscalls_soon: bool,
}

const NUMBERS: u32 = 12;

/// An entry as the tracker would have it.
pub fn entry(tgid: u32, start: u64, inode: u64, creator: Identity) -> Member {
    Member {
        tgid,
        root: 1,
        generation: 1,
        leader_start: start,
        inode,
        creator_tgid: creator.pid,
        creator_start: creator.start,
        threads: 1,
        born: start,
        ..Member::default()
    }
}

impl World {
    pub fn birth(&mut self, pid: u32, member: bool, creator: Identity) {
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

    /// KILL reaches a process.
    pub fn kill(&mut self, pid: u32) {
        let at = (pid, self.now, self.alive());
        self.kills.push(at);
        if let Some(p) = self.procs.get_mut(&pid) {
            p.doomed = true;
        }
    }

    /// A doomed process that does not hang.
    fn dying(&self, n: u8) -> Option<u32> {
        let dying = |(k, p): &(&u32, &Proc)| p.doomed && self.stuck != Some(**k);
        let v: Vec<u32> = self.procs.iter().filter(dying).map(|(k, _)| *k).collect();
        (!v.is_empty()).then(|| v[n as usize % v.len()])
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
        let v: Vec<u32> = (2..2 + NUMBERS + self.room).filter(|p| !self.procs.contains_key(p)).collect();
        (!v.is_empty()).then(|| v[n as usize % v.len()])
    }

    pub fn alive(&self) -> usize {
        self.procs.values().filter(|p| p.member).count()
    }

    pub(super) fn step(&mut self) {
        self.now += 1;
        match self.script.pop_front() {
            None => {
                if let Some(pid) = self.dying(0) {
                    self.end(pid);
                }
            }
            Some(Event::Fork(n, m)) => {
                // A doomed one can have one more child in flight (F4).
                let Some(pid) = self.nth(n, |p| p.member && (!p.doomed || p.forks_left > 0)) else { return };
                let Some(child) = self.free(m) else { return };
                let creator = Identity { pid, start: self.procs[&pid].start };
                if let Some(p) = self.procs.get_mut(&pid)
                    && p.doomed
                {
                    p.forks_left -= 1;
                }
                self.birth(child, true, creator);
                // A signal is received at once here: a process that has been sent it has no child behind, but one
                // that is claimed has.
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
                    self.birth(pid, false, Identity { pid: 1, start: 0 });
                }
            }
            Some(Event::StrangerExit(n)) => {
                if let Some(pid) = self.nth(n, |p| !p.member) {
                    self.end(pid);
                }
            }
            Some(Event::Tidy) => self.tidy(),
            Some(Event::Die(n)) => {
                if let Some(pid) = self.dying(n) {
                    self.end(pid);
                }
            }
        }
    }

    pub(in crate::kill) fn tidy(&mut self) {
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
