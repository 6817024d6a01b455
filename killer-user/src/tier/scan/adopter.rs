//! The process that stays behind with what was taken in: its adopter. It hears of forks, where the kernel tells, and looks.
//!
//! An orphan whose creator has ended is known through the adopter alone, which may be behind: while it runs, nobody says that the
//! set is empty.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use killer_common::reason;

use super::super::seen::{self, Id};
use super::descent::{Top, Up, climb};
use super::{ADOPT_PASSES, Scan, mark, notes, start_line};
use crate::keep::Slot;
use crate::sys::forks::{Event, Forks};
use crate::sys::supervise;

/// How often it looks at what it was told of.
const LOOK: Duration = Duration::from_millis(50);

/// What was heard.
#[derive(Clone, Copy, Default)]
struct Heard {
    /// Of a member's fork or end.
    ours: bool,
    /// Not all.
    lost: bool,
}

impl Scan {
    /// The life of an adopter: looks at what it was told of, and at what that forks, until nobody is left.
    pub(super) fn adopter(&self, mut to: std::fs::File, s: Slot, first: Id) -> ! {
        let me = seen::me();
        let mut ids = vec![first];
        let begun = self
            .files
            .put(&notes(s, me), &serde_json::to_vec(&ids).unwrap_or_default())
            .and_then(|()| self.files.put(&mark(s, me), b""))
            .and_then(|()| self.files.change(s, |p| p.adopters.push(me)));
        if let Err(e) = begun {
            let _ = to.write_all(start_line::encode(&Err(e)).as_bytes());
            supervise::exit(1);
        }
        // Before the first look: from here on nobody is born unheard, where the kernel tells.
        let forks = Forks::listen().ok();
        let (mut passes, mut quiet) = (0, 0);
        while passes < ADOPT_PASSES && quiet < 2 {
            quiet = if self.grow(s, me, &mut ids) { 0 } else { quiet + 1 };
            passes += 1;
        }
        let _ = to.write_all(start_line::encode(&Ok(Ok(passes))).as_bytes());
        let keep = forks.iter().map(AsFd::as_fd).chain([to.as_fd()]);
        supervise::let_go(&keep.collect::<Vec<_>>());
        // A process that was there one look ago can have forked since it was last heard of.
        let (mut before, mut looked) = (Vec::new(), Instant::now());
        while !ids.is_empty() || !before.is_empty() {
            let heard = match &forks {
                Some(f) => self.hear(f, s, me, &before, &mut ids),
                None => {
                    std::thread::sleep(LOOK);
                    Heard::default()
                }
            };
            // A busy host tells of others all the time.
            if heard.ours || heard.lost || looked.elapsed() >= LOOK {
                before.clone_from(&ids);
                self.grow(s, me, &mut ids);
                looked = Instant::now();
            }
        }
        self.end_watch(s, me);
        supervise::exit(0)
    }

    /// Adds what the kernel tells of: children of members, and theirs, also of those that have ended since.
    fn hear(&self, forks: &Forks, s: Slot, me: Id, earlier: &[Id], ids: &mut Vec<Id>) -> Heard {
        let before = ids.clone();
        let mut numbers: HashSet<u32> = ids.iter().chain(earlier).map(|id| id.pid).collect();
        let told = forks.next(LOOK).unwrap_or_default();
        let mut heard = Heard { ours: false, lost: told.lost };
        for e in told.events {
            heard.ours |= match e {
                Event::Fork(creator, child) if numbers.contains(&creator) => {
                    ids.extend(seen::process(child).map(|p| p.id()));
                    numbers.insert(child)
                }
                Event::Exit(pid) => numbers.remove(&pid),
                Event::Fork(..) => false,
            };
        }
        if heard.lost {
            // The look that follows finds what has a parent.
            let _ = self.files.reason(s, reason::FORKS_UNHEARD);
        }
        ids.sort_unstable();
        ids.dedup();
        if *ids != before {
            let _ = self.files.put(&notes(s, me), &serde_json::to_vec(&*ids).unwrap_or_default());
        }
        heard
    }

    /// Adds what descends from `ids`, drops what has ended; true when a process was new.
    fn grow(&self, s: Slot, me: Id, ids: &mut Vec<Id>) -> bool {
        let Ok(all) = seen::everybody() else { return false };
        let before = ids.clone();
        ids.retain(|id| all.get(&id.pid).is_some_and(|p| p.id() == *id));
        let tops =
            ids.iter().map(|id| (id.pid, Top { start: id.start, slot: s.slot, itself: true })).collect();
        for p in all.values() {
            let found = climb(p.pid, &tops, |p| all.get(&p).map(Up::from));
            if found.is_some() && p.pid != me.pid && !ids.contains(&p.id()) {
                ids.push(p.id());
            }
        }
        if *ids != before {
            let _ = self.files.put(&notes(s, me), &serde_json::to_vec(&*ids).unwrap_or_default());
        }
        ids.iter().any(|id| !before.contains(id))
    }
}
