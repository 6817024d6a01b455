//! Starting and adopting: marks, holds and walks.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use killer_common::names::{P_CHILDREN, P_EDGE, P_ENDED};
use killer_common::{ctl, reason};

use super::Programs;
use super::program::Program;
use crate::bpf::ctl::Adoption;
use crate::keep::{Candidate, Changes, Sets, Slot, Taken};
use crate::sys::launch::{self, Launch, Spawned};
use crate::sys::{bpf, clock};

const ADOPT_LEASE: Duration = Duration::from_secs(5);
const ADOPT_PASSES: u32 = 24;
/// How long a move waits for a broadcast that is over and holds on (2 s), as after a thaw, and between two looks.
const HELD_BACK: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

/// The mark must have been consumed by the fork, else the hooks did not run; and by this fork: a kill may have taken it
/// away before (models: `seeds::membership_not_asked`), so the child is looked up, too.
fn consumed(t: &Programs, s: Slot, child: i32) -> io::Result<()> {
    let marked = t.unseed()?;
    let member = t.member(child as u32)?.is_some_and(|m| m.root == s.slot && m.generation == s.generation);
    if marked || !member {
        return Err(io::Error::other(
            "the kernel's fork hook did not run, or a kill of this service came first: nothing was started",
        ));
    }
    Ok(())
}

/// What one program logs while an adoption runs, as long as this lives.
struct Logged<'a> {
    program: Program<'a>,
    skipped: u64,
    _link: OwnedFd,
}

impl<'a> Logged<'a> {
    /// Attaches those that log forks, ends, and the children of processes that end. One is lacking where the kernel has refused it
    /// (lockdown=confidentiality: that of the children): what it would log is not known.
    fn watch(t: &'a Programs) -> [io::Result<Self>; 3] {
        let those = [P_EDGE, P_ENDED, P_CHILDREN];
        if let Err(e) = t.ensure(&those) {
            log::debug!("the log of an adoption: {e}");
        }
        those.map(|name| Self::by(t, name))
    }

    fn by(t: &'a Programs, name: &'static str) -> io::Result<Self> {
        let program = t.program(name)?;
        let skipped = bpf::prog_info(&program)?.recursion_misses();
        let _link = bpf::raw_tracepoint_open(&program, "")?;
        Ok(Self { program, skipped, _link })
    }

    /// True when the kernel has skipped no run of it (5.12+; before, none is skipped).
    fn none_missed(self) -> bool {
        bpf::prog_info(&self.program).is_ok_and(|i| i.recursion_misses() == self.skipped)
    }
}

/// Fills a root from a running process until the passes add nothing (docs/internals/PROTOCOL.md 7).
fn take(t: &Programs, slot: Slot, candidate: Candidate, out_of: Option<Slot>) -> io::Result<Taken> {
    if !t.can_walk() {
        return Err(io::Error::other(
            "this tier has no walk over all tasks (the kernel has no BTF): start the service with 'run' instead",
        ));
    }
    // The hold keeps the count above 0 until the first member is there; it goes with this process.
    t.hold(slot)?;
    t.reason(slot, reason::ADOPTED)?;
    let cleared = t.clear_edges();
    let log = Logged::watch(t);
    let before = t.global();
    let from = Candidate { inode: if t.has_inodes() { candidate.inode } else { 0 }, ..candidate };
    let mut passes = 0;
    let mut quiet = 0;
    let begun = clock::monotonic_ns();
    while passes < ADOPT_PASSES && quiet < 2 {
        let until = clock::monotonic_ns() + ADOPT_LEASE.as_nanos() as u64;
        t.adopt_mode(Some(Adoption { into: slot, until, from, out_of }))?;
        let was = t.global();
        t.walk()?;
        let is = t.global();
        let held_back = out_of.is_some() && is.added != was.added && is.moved == was.moved;
        if held_back && clock::monotonic_ns() - begun < HELD_BACK.as_nanos() as u64 {
            std::thread::sleep(LOOK);
            continue;
        }
        passes += 1;
        quiet = if is.added == was.added { quiet + 1 } else { 0 };
    }
    let logged = cleared && log.into_iter().all(|l| l.is_ok_and(Logged::none_missed));
    let odd = t.global().edge_errors != before.edge_errors || quiet < 2 || !logged;
    if odd {
        t.reason(slot, reason::ADOPT_UNSURE)?;
    }
    Ok(Taken { passes, quiet: !odd })
}

impl Changes for Programs {
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

    fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken> {
        let taken = take(self, s, candidate, from);
        let _ = self.adopt_mode(None);
        let _ = self.unseed();
        taken
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        self.ctl(ctl::FORGET, s, &[]).map(drop)
    }
}
