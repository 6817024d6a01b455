//! Taking running processes in: holds and walks.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use killer_common::names::{P_CHILDREN, P_EDGE, P_ENDED};
use killer_common::reason;
use killer_common::record::TaskKey;
use killer_common::recorder::Node;

use super::Programs;
use super::program::Program;
use crate::bpf::ctl::Adoption;
use crate::keep::{Candidate, Records, Sets, Slot, Taken, TakenBelow, candidate};
use crate::sys::{bpf, clock};

const ADOPT_LEASE: Duration = Duration::from_secs(5);
const ADOPT_PASSES: u32 = 24;
/// How long a move waits for a broadcast that is over and holds on (2 s), as after a thaw, and between two looks.
const HELD_BACK: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

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
pub(super) fn one(t: &Programs, slot: Slot, candidate: Candidate, out_of: Option<Slot>) -> io::Result<Taken> {
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

/// Everything that an adoption holds goes.
pub(super) fn end(t: &Programs) {
    let _ = t.adopt_mode(None);
    let _ = t.unseed();
}

/// Fills a root with all that descends from a process, by the nodes of the recorder: until twice nobody was found who is no member.
///
/// That is a proof where the nodes are whole: who lives when they are read is among them, or the node that it holds counts one more
/// than was found ([`Records::below`]). Members' children are members, so nobody comes later. Twice, because one who was found a
/// member may not have been one when it forked.
pub(super) fn below(t: &Programs, slot: Slot, top: TaskKey) -> io::Result<TakenBelow> {
    if !t.can_walk() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // The hold goes with this process, and with a reason when that dies before the set is whole.
    t.hold(slot)?;
    // Who has forked and ended between the look and a walk has left its edge.
    let _ = t.clear_edges();
    let _log = Logged::watch(t);
    let (mut clean, mut rounds) = (0, 0);
    let mut taken = TakenBelow::default();
    while clean < 2 && rounds < ADOPT_PASSES {
        rounds += 1;
        let found = t.below(top)?;
        taken.elsewhere = 0;
        let mut strangers = Vec::new();
        for n in &found.living {
            match t.member(n.key.tgid)?.filter(|m| m.leader_start == n.key.start) {
                Some(m) => taken.elsewhere += u32::from(m.root != slot.slot),
                None => strangers.push(n),
            }
        }
        if strangers.is_empty() {
            clean = if found.whole || found.never { clean + 1 } else { 0 };
            taken.whole = found.whole;
            continue;
        }
        clean = 0;
        for n in firsts(&strangers) {
            let until = clock::monotonic_ns() + ADOPT_LEASE.as_nanos() as u64;
            let from = candidate(n);
            let from = Candidate { inode: if t.has_inodes() { from.inode } else { 0 }, ..from };
            t.adopt_mode(Some(Adoption { into: slot, until, from, out_of: None }))?;
            t.walk()?;
            taken.passes += 1;
        }
        taken.passes += 1;
    }
    taken.whole &= clean == 2;
    if !taken.whole {
        t.reason(slot, reason::ADOPTED)?;
    }
    if clean < 2 {
        t.reason(slot, reason::ADOPT_UNSURE)?;
    }
    Ok(taken)
}

/// Those whose creator is not among them: a walk takes their children in by itself.
fn firsts<'a>(of: &[&'a Node]) -> Vec<&'a Node> {
    of.iter().filter(|n| !of.iter().any(|up| up.key == n.creator)).copied().collect()
}
