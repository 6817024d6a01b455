//! Freeze: newborns and forkers are held by the tier's hooks, all others by SIGSTOP, until none can run code of its
//! own; and the way back (docs/internals/PROTOCOL.md 12).

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use killer_common::record::{B_STOPPED, Member, R_FREEZING, R_FROZEN, R_THAWING, R_UNDONE};
use thiserror::Error;

use super::gate::Gates;
use super::sweep::Sweep;
use super::{Order, Outcome, Refusal, SIGSTOP, Survivor, guard, proof};
use crate::lineage::{Clock, Freezing, Gated, Members, Repairs, Signals, Still, Sweeping};
use crate::sys::alive::Identity;

/// `SIGCONT`
pub const SIGCONT: i32 = 18;

/// A process that still runs so long after SIGSTOP was woken by another one.
const AGAIN: Duration = Duration::from_millis(20);

/// After so long without a look at the processes that are left, it is said.
const BLIND: Duration = Duration::from_secs(1);

/// Why nothing was frozen.
#[derive(Debug, Error)]
pub enum FreezeError {
    /// The set must not be held.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tier could not.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Holds the whole set still; `order` says for how long to try. A process that cannot be held is a survivor of the
/// outcome, and the set stays frozen; interrupted, it is thawed again and the outcome is unsure.
///
/// # Errors
/// [`FreezeError`]; nothing is held then.
pub fn freeze<F>(family: &mut F, order: &Order) -> Result<Outcome, FreezeError>
where
    F: Members + Signals + Sweeping + Clock + Gated + Freezing + Repairs,
{
    let began = family.monotonic();
    let before = family.census();
    let order = Order { signal: SIGSTOP, ..order.clone() };
    guard::check(family, &order)?;
    let all = everybody(family)?;
    let stopped = all.iter().zip(family.stillness(&all)).filter(|(_, still)| *still == Still::Stopped);
    let earlier: Vec<Member> = stopped.map(|(m, _)| *m).collect();
    let was = family.set_freeze(R_FREEZING)?;
    if was & R_FROZEN != 0 {
        // Held already: a process that was woken since is stopped again, and nothing is undone when this call dies.
        family.set_freeze(R_FROZEN)?;
    } else if was & !R_UNDONE == 0
        && let Err(e) = earlier.iter().try_for_each(|m| family.note_stopped(m, true))
    {
        // A thaw would let a process go on that was stopped before.
        family.set_freeze(0)?;
        return Err(e.into());
    }
    let mut run = Sweep::new(&order);
    run.gates = Gates { birth: family.gate_at_birth(), syscalls: false };
    family.cancel_marks();
    let left = run.until_still(family, began);
    if run.unsure && was & R_FROZEN == 0 {
        family.set_freeze(R_THAWING)?;
        let mut back = Sweep::new(&order);
        if back.wake(family).is_empty() && !back.unsure {
            family.set_freeze(0)?;
        }
    } else if !order.passing || was & R_FROZEN != 0 {
        family.set_freeze(R_FROZEN)?;
    }
    let empty = proof::empty(family);
    let after = family.census();
    Ok(run.outcome(family, began, before.tasks, after.tasks, empty, left))
}

/// Lets it go on. A process that was stopped before the freeze stays so. One that could not be reached is a survivor
/// of the outcome, or, where it could not find out whether that was all, the outcome is unsure: the thaw is under way
/// then until another call ends it.
///
/// # Errors
/// When the tier could not.
pub fn thaw<F>(family: &mut F, order: &Order) -> io::Result<Outcome>
where
    F: Members + Signals + Sweeping + Clock + Freezing,
{
    let began = family.monotonic();
    let before = family.census();
    let order = Order { signal: SIGCONT, ..order.clone() };
    let mut run = Sweep::new(&order);
    // First no process is held any more, else the hooks would stop again what SIGCONT wakes.
    let left = match family.set_freeze(R_THAWING)? & !R_UNDONE {
        0 => Vec::new(),
        _ => run.wake(family),
    };
    if left.is_empty() && !run.unsure {
        family.set_freeze(0)?;
    }
    let empty = proof::empty(family);
    let after = family.census();
    Ok(run.outcome(family, began, before.tasks, after.tasks, empty, left))
}

fn runs(member: Member, states: &str) -> Survivor {
    Survivor { member, code: "running", text: format!("runs (state {states})") }
}

fn asleep(member: Member) -> Survivor {
    let text = "sleeps in the kernel (state D) and may run when it wakes".to_owned();
    Survivor { member, code: "asleep", text }
}

fn unknown(member: Member) -> Survivor {
    let text =
        "was sent SIGSTOP and cannot be looked at in /proc: whether it is stopped is not known".to_owned();
    Survivor { member, code: "unknown", text }
}

/// Every member; an error when a look at one of them fails. One that is listed and not found has ended since.
fn everybody<F: Members>(family: &F) -> io::Result<Vec<Member>> {
    let listed = family.listed();
    let mut members = family.members(&listed);
    if members.len() != listed.len() {
        let found: HashSet<u32> = members.iter().map(|m| m.tgid).collect();
        for t in listed.into_iter().filter(|t| !found.contains(t)) {
            members.extend(family.member(t)?);
        }
    }
    Ok(members)
}

impl<Fd> Sweep<'_, Fd> {
    /// Stops what runs, until no member runs and none was born meanwhile. Answers those that could not be held in time.
    fn until_still<F>(&mut self, family: &mut F, began: u64) -> Vec<Survivor>
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock + Gated + Freezing + Repairs,
    {
        let mut since: HashMap<Identity, u64> = HashMap::new();
        let mut blind: Option<u64> = None;
        let mut idle = 0u32;
        let patience = self.order.patience.as_nanos() as u64;
        let mut end = began + patience;
        let mut wanted = false;
        let mut fewest = usize::MAX;
        loop {
            let pass = family.monotonic();
            let inserts = family.census().inserts;
            let listed = family.listed();
            let members = family.members(&listed);
            let whole = members.len() == listed.len();
            self.passes += 1;
            let (left, new) = self.stop_runners(family, members, &mut since);
            blind = match left.iter().all(|s| s.code == "unknown") && !left.is_empty() {
                true => blind.or(Some(family.monotonic())),
                false => None,
            };
            // A process that is in no list is found before it is said that none runs.
            if left.is_empty() && whole && family.census().inserts == inserts && !family.lapsed() {
                return left;
            }
            if family.interrupted() {
                self.unsure = true;
                return left;
            }
            if blind.is_some_and(|at| family.monotonic() - at > BLIND.as_nanos() as u64) {
                return left;
            }
            let closing = wanted && !self.gates.syscalls;
            if family.monotonic() >= if closing { end + patience } else { end } {
                self.fled = left.is_empty();
                return left;
            }
            let born = family.census().inserts.saturating_sub(inserts) as usize;
            let ahead = new.max(born);
            if ahead >= fewest && self.passes >= 3 && !self.gates.birth && !self.gates.syscalls {
                // Somebody forks ahead of the passes, and they do not become fewer. Not before: to attach waits for a
                // grace period, which forkers on one processor put off for seconds, and stopped ones do not.
                wanted = true;
            }
            if wanted && !self.gates.syscalls {
                wanted = self.close_at_syscalls(family);
                if self.gates.syscalls {
                    // Passes that count begin here.
                    end = family.monotonic() + patience;
                }
            }
            fewest = if ahead == 0 { usize::MAX } else { fewest.min(ahead) };
            idle = if ahead > 0 { 0 } else { idle + 1 };
            // A stop is taken by the processes themselves. When nothing else is left to wait for, they have as much time for it as a
            // look at them takes.
            let took = Duration::from_nanos(family.monotonic() - pass).min(AGAIN);
            let rest = if ahead > 0 { Duration::ZERO } else { took };
            family.pause(None, Duration::from_micros(100 << idle.min(5)).max(rest));
        }
    }

    /// SIGSTOP to each that runs, in the order given: parents before the children that would be an orphaned process
    /// group without them. Answers those that are not known to be still, and how many of them are new.
    fn stop_runners<F>(
        &mut self,
        family: &mut F,
        members: Vec<Member>,
        since: &mut HashMap<Identity, u64>,
    ) -> (Vec<Survivor>, usize)
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock + Freezing,
    {
        let mut left = Vec::new();
        let mut first = Vec::new();
        let mut woken = Vec::new();
        let looks = family.stillness(&members);
        for (m, still) in members.into_iter().zip(looks) {
            let left_over = match still {
                Still::Gone | Still::Stopped | Still::Waits => continue,
                Still::Runs(states) => runs(m, &states),
                Still::Asleep => asleep(m),
                Still::Unknown => unknown(m),
            };
            let k = Identity::of(&m);
            let now = family.monotonic();
            // A process that cannot be seen has it from the first time, unless it was woken: that is not known either.
            let again = if left_over.code == "unknown" { BLIND } else { AGAIN };
            match since.get(&k) {
                None => {
                    since.insert(k, now);
                    first.push(m);
                }
                Some(at) if now - at > again.as_nanos() as u64 => {
                    since.insert(k, now);
                    self.sent.remove(&k);
                    woken.push(m);
                }
                Some(_) => {}
            }
            left.push(left_over);
        }
        let new = first.len();
        self.send_all(family, first);
        self.send_all(family, woken);
        (left, new)
    }

    /// Goes on closing the gate at system calls; answers whether that is still of use: a gate that cannot be closed
    /// is no reason to go on for ever.
    fn close_at_syscalls<F: Gated>(&mut self, family: &mut F) -> bool {
        let closed = family.gate_at_syscalls();
        let can = closed.is_ok();
        self.gates.syscalls = closed.unwrap_or(false);
        can
    }

    /// SIGCONT to every process that the freeze has stopped. Answers those that could not be reached.
    fn wake<F>(&mut self, family: &F) -> Vec<Survivor>
    where
        F: Members + Signals<Fd = Fd> + Sweeping + Clock + Freezing,
    {
        let refused = |member, why: io::Error| Survivor { member, code: "stopped", text: why.to_string() };
        let (mut left, mut stay) = (Vec::new(), Vec::new());
        while self.passes < 8 {
            left.clear();
            let members = everybody(family);
            self.unsure = members.is_err();
            let mut new = members.unwrap_or_default();
            new.retain(|m| !self.sent.contains_key(&Identity::of(m)));
            self.passes += 1;
            if new.is_empty() && !self.unsure {
                break;
            }
            let (before, held): (Vec<Member>, Vec<Member>) =
                new.into_iter().partition(|m| m.flags & B_STOPPED != 0);
            self.sent.extend(before.iter().map(|m| (Identity::of(m), 0)));
            stay.extend(before);
            let from = self.reached();
            // Nobody is spared: who is held is let go, whoever asks.
            self.sweep(family, &held, SIGCONT, 0);
            for (m, errno) in self.refused(from) {
                // Once more in the next pass.
                self.sent.remove(&Identity::of(&m));
                left.push(refused(m, io::Error::from_raw_os_error(errno)));
            }
            family.pause(None, Duration::from_micros(100));
        }
        // Last, so that a thaw that does not come to its end leaves to the next one who was stopped before.
        if left.is_empty() && !self.unsure {
            let kept = |m: Member| Some(refused(m, family.note_stopped(&m, false).err()?));
            left.extend(stay.into_iter().filter_map(kept));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Event, Fake};
    use super::*;

    /// Nobody was seen to run in the last pass, but births went on: that is not "frozen".
    #[test]
    fn births_that_go_on_are_told() {
        let order = Order::to_all(SIGSTOP, vec![1], Duration::from_millis(50));
        for runs in [100_000, 100] {
            let mut family = Fake::default();
            {
                let mut world = family.0.borrow_mut();
                world.birth(2, true, crate::sys::alive::Identity { pid: 1, start: 0 });
                world.script = [Event::Fork(0, 0), Event::Exit(0)].into_iter().cycle().take(runs).collect();
            }
            let mut run = Sweep::new(&order);
            let began = family.monotonic();
            assert!(run.until_still(&mut family, began).is_empty());
            assert_eq!(run.fled, runs > 100);
        }
    }
}
