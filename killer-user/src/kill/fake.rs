//! A kernel of numbers behind the engine's door: between any two calls of the engine, one scripted event happens.

mod world;

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use killer_common::claim;
use killer_common::record::Member;

use crate::keep::Fate;
use crate::lineage::{
    Broadcasting, Census, Clock, Freezing, Gated, Members, Pending, Repairs, Signals, Still, Sweeping,
};

pub use world::{Event, World};

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

impl Members for Fake {
    fn listed(&self) -> Vec<u32> {
        self.at().index.keys().copied().collect()
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        Ok(self.at().index.get(&tgid).copied())
    }

    fn dead(&self) -> Vec<killer_common::record::Dead> {
        Vec::new()
    }

    fn census(&self) -> Census {
        let w = self.at();
        Census { roots: vec![(1, 1)], inserts: w.inserts, tasks: w.alive() as i64 }
    }

    fn heedless(&self, _: &Member) -> bool {
        !self.at().waits
    }

    fn explain(&self, _: &Member) -> (&'static str, String) {
        ("alive", "alive".into())
    }
}

impl Signals for Fake {
    type Fd = Pidfd;

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
        let stranger = !p.member;
        if signal == super::SIGKILL {
            w.kill(fd.pid);
        }
        if stranger {
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
}

impl Sweeping for Fake {
    fn sweep(&self, members: &[Member], signal: i32, _: usize) -> Option<Vec<Fate>> {
        if !self.at().kernel {
            return None;
        }
        let one = |m: &Member| {
            let mut w = self.at();
            // The task is held while it is looked at and signalled.
            let seen = !w.half || m.tgid.is_multiple_of(2);
            let meant = |p: &&mut world::Proc| seen && p.start == m.leader_start && p.member;
            let Some(p) = w.procs.get_mut(&m.tgid).filter(meant) else { return Fate::Gone };
            p.signals += u32::from(signal != super::SIGSTOP);
            if signal == super::SIGKILL {
                w.kill(m.tgid);
            }
            Fate::Signalled
        };
        Some(members.iter().map(one).collect())
    }
}

impl Clock for Fake {
    fn monotonic(&self) -> u64 {
        self.at().now
    }

    fn boottime(&self) -> u64 {
        self.0.borrow().now
    }

    fn interrupted(&self) -> bool {
        false
    }
}

impl Gated for Fake {
    fn close_gate(&self, _: u64, until: u64) {
        self.at().gate = until;
    }

    fn open_gate(&self, _: u64, until: u64) {
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

    fn cancel_marks(&self) -> usize {
        0
    }
}

impl Broadcasting for Fake {
    fn begin(&mut self, _: i32, _: Option<i32>, _: u32) -> usize {
        self.at();
        0
    }

    fn go_on(&self) {}

    fn listed_whole(&self) -> (Vec<u32>, bool) {
        let before = self.census().inserts;
        let listed = self.listed();
        (listed, self.census().inserts == before)
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

    fn sends_at_birth(&self) -> bool {
        !self.at().later
    }

    fn leave_to_births(&self) -> bool {
        std::mem::replace(&mut self.at().later, false)
    }

    fn pending(&self) -> Pending {
        Pending::No
    }

    fn finish(&mut self) -> bool {
        self.at();
        true
    }
}

impl Freezing for Fake {
    fn set_freeze(&self, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn stillness(&self, members: &[Member]) -> Vec<Still> {
        vec![Still::Gone; members.len()]
    }

    fn note_stopped(&self, _: &Member, _: bool) -> io::Result<()> {
        Ok(())
    }
}

impl Repairs for Fake {
    fn repair(&self) -> io::Result<()> {
        self.at().tidy();
        Ok(())
    }

    fn can_lapse(&self) -> bool {
        false
    }

    fn lapsed(&self) -> bool {
        false
    }
}
