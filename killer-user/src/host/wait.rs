//! Waiting on kernel events: until a service is empty, its main process is gone, or it is small enough.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::Tell;
use super::main_process;
use super::record::{Heir, StopRecord};
use crate::kill::{Awaited, Waited, unreaped, until};
use crate::lineage::{Lineage, Members, Signals};
use crate::lookup::Root;
use crate::sys::alive::Identity;
use crate::sys::proc::Ends;
use crate::sys::{interrupt, limits, proc};
use crate::tier::Tracker;
use killer_common::record::Member;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The kernel's count is 0.
    Empty,
    /// This process, the main one, has ended.
    MainGone(Identity),
    /// At most so many processes.
    Size(usize),
}

/// Live members to sleep on, at most so many, from the last in PID order: the one most likely to be the last to end.
/// `any`: the end of any member matters, of those too that are not among them.
fn somebody(f: &Lineage<'_>, most: usize, any: bool, among: &dyn Fn(&Member) -> bool) -> Ends {
    let members = f.members(&f.listed());
    let wanted: Vec<&Member> = members.iter().rev().filter(|m| among(m)).collect();
    let live = wanted.iter().filter_map(|m| {
        let fd = f.open(m.tgid).ok()?;
        let same = m.inode == 0 || f.inode(&fd) == Some(m.inode);
        (same && !f.ended(&fd)).then_some(fd)
    });
    let held: Vec<OwnedFd> = live.take(most).collect();
    let all = !any || held.len() == wanted.len();
    Ends::new(held, all)
}

/// Tells how many are left while a wait goes on.
fn progress<'a>(f: &Lineage<'a>, tell: &'a dyn Tell) -> impl FnMut() + 'a {
    let (tracker, root) = (f.tracker(), f.root().clone());
    move || {
        if tell.shows_progress() {
            let alive = Lineage::new(tracker, root.clone()).listed().len();
            tell.progress(Some((&root.name, alive)));
        }
    }
}

/// Waits for a condition of the whole service.
pub fn wait(f: &Lineage<'_>, what: For, limit: Option<Duration>, tell: &dyn Tell) -> Waited {
    let all = |_: &Member| true;
    let r = match what {
        For::Empty => {
            until(limit, progress(f, tell), || crate::kill::empty(f), || somebody(f, 1, false, &all))
        }
        For::MainGone(main) => until(
            limit,
            progress(f, tell),
            // A look that fails says nothing.
            || f.member(main.pid).is_ok_and(|m| m.is_none_or(|m| Identity::of(&m) != main)),
            || somebody(f, 1, false, &|m| Identity::of(m) == main),
        ),
        For::Size(n) => {
            let most = limits::some_descriptors().max(1);
            until(limit, progress(f, tell), || f.listed().len() <= n, || somebody(f, most, true, &all))
        }
    };
    tell.progress(None);
    r
}

/// Waits until everybody that is waited for has let go of files, ports and memory, and (`whole`) the service is
/// empty: then for all processes that ever were members.
/// `awaited` knows afterwards which have not.
pub fn wait_released(
    f: &Lineage<'_>,
    whole: bool,
    awaited: &mut Awaited,
    limit: Option<Duration>,
    tell: &dyn Tell,
) -> Waited {
    let awaited = std::cell::RefCell::new(awaited);
    // A process that had left the list before it could be waited for may still hold something, too.
    let empty = || {
        !whole
            || crate::kill::empty(f) && {
                let mut a = awaited.borrow_mut();
                f.ending().into_iter().for_each(|m| a.add(m));
                true
            }
    };
    let w = until(
        limit,
        progress(f, tell),
        || empty() && awaited.borrow_mut().released(),
        || {
            let mut a = awaited.borrow_mut();
            a.released();
            a.ends().unwrap_or_else(|| somebody(f, 1, false, &|_| whole))
        },
    );
    tell.progress(None);
    match w {
        // A process that has let go since the last look is no survivor.
        Waited::TimedOut if empty() && awaited.borrow_mut().all_released() => Waited::Done,
        Waited::TimedOut | Waited::Interrupted(_) => {
            awaited.borrow_mut().all_released();
            w
        }
        Waited::Done => w,
    }
}

/// Every main process that a service has had, as far as that is kept: their numbers are what pidfiles name.
pub fn mains(t: &Tracker, root: &Root) -> Vec<Member> {
    let mut all = vec![main_process::registered(root)];
    if let Heir::Guessed(p) | Heir::Named(p) = StopRecord::of(t, root.slot).heir {
        all.push(p);
    }
    all.retain(|p| p.pid != 0);
    all.iter().map(|p| Member { tgid: p.pid, leader_start: p.start, ..Member::default() }).collect()
}

/// So long a parent has to reap what was released, before it is said that it has not.
const REAPING: Duration = Duration::from_millis(50);

/// Waits until none of them has its number any more (`asked`); without that, for the moment that a parent needs.
/// Answers how it ended, and which are not reaped. No event tells it: the parent is not ours.
pub fn wait_reaped(of: &[Member], asked: bool, limit: Option<Duration>) -> (Waited, Vec<Member>) {
    let limit = if asked { limit } else { Some(REAPING) };
    let end = limit.and_then(|l| Instant::now().checked_add(l));
    let mut pause = Duration::from_millis(1);
    loop {
        let left = unreaped(of);
        if left.is_empty() {
            return (Waited::Done, left);
        }
        if let Some(signal) = interrupt::came() {
            return (Waited::Interrupted(signal), left);
        }
        let rest = end.map_or(pause, |e| e.saturating_duration_since(Instant::now()));
        if rest.is_zero() {
            return (if asked { Waited::TimedOut } else { Waited::Done }, left);
        }
        match interrupt::bell() {
            Some(bell) => drop(proc::readable(bell, pause.min(rest))),
            None => std::thread::sleep(pause.min(rest)),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
