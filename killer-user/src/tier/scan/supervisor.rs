//! The processes that stay behind: a supervisor of what was started, an adopter of what was taken in.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use killer_common::record::B_MAIN;

use super::super::files::FileRegistry;
use super::super::seen;
use super::super::seen::Id;
use super::descent::{Top, Up, climb};
use super::{ADOPT_PASSES, Scan, mark, notes, start_line};
use crate::keep::Slot;
use crate::sys::forks::{Event, Forks};
use crate::sys::launch::{self, Launch};
use crate::sys::supervise;

/// How often a supervisor looks at its descendants, and an adopter at what it was told of.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_ADOPTED: Duration = Duration::from_millis(50);

impl Scan {
    /// The life of a supervisor: starts CMD, says so, and stays until nobody is left.
    pub(super) fn supervise(
        &self,
        mut to: std::fs::File,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> ! {
        let me = seen::me();
        let mut main = 0;
        let begun = supervise::become_subreaper()
            .and_then(|()| self.files.put(&mark(s, me), b""))
            .and_then(|()| self.files.change(s, |p| p.watchers.push(me)));
        let spawned = begun.and_then(|()| {
            launch::spawn_own(l, |pid| {
                let id = Id::now(pid as u32);
                self.files.put(&notes(s, me), &serde_json::to_vec(&[id])?)?;
                self.files.started(s, flags & B_MAIN != 0, id)?;
                ready(pid)
            })
        });
        match &spawned {
            Ok(Ok(pid)) => main = *pid,
            // Before it is said: a caller that is told of it may forget the service at once.
            _ => self.end_watch(s, me),
        }
        // Nobody reads it any more when `killer run` was killed: the service goes on.
        let _ = to.write_all(start_line::encode(&spawned).as_bytes());
        supervise::let_go(&[to.as_fd()]);
        if main != 0 {
            let files = self.files.clone();
            let _ = std::thread::Builder::new().spawn(move || note_descendants(&files, s, me));
        }
        while let Some((pid, status)) = supervise::next_end() {
            if pid == main {
                let last = u8::from(!supervise::has_children());
                let _ = to.write_all(&[&status.to_ne_bytes()[..], &[last]].concat());
            }
        }
        self.end_watch(s, me);
        supervise::exit(0)
    }

    pub(super) fn end_watch(&self, s: Slot, me: Id) {
        let _ = std::fs::remove_file(self.files.dir().join(mark(s, me)));
        let _ = std::fs::remove_file(self.files.dir().join(notes(s, me)));
    }

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
        let mut before = Vec::new();
        while !ids.is_empty() || !before.is_empty() {
            match &forks {
                Some(f) => self.hear(f, s, me, &before, &mut ids),
                None => std::thread::sleep(LOOK_ADOPTED),
            }
            before.clone_from(&ids);
            self.grow(s, me, &mut ids);
        }
        self.end_watch(s, me);
        supervise::exit(0)
    }

    /// Adds what the kernel tells of: children of members, and theirs, also of those that have ended since.
    fn hear(&self, forks: &Forks, s: Slot, me: Id, earlier: &[Id], ids: &mut Vec<Id>) {
        let before = ids.clone();
        let mut numbers: HashSet<u32> = ids.iter().chain(earlier).map(|id| id.pid).collect();
        // Lost events: the look that follows is what there is.
        for e in forks.next(LOOK_ADOPTED).unwrap_or_default() {
            match e {
                Event::Fork(creator, child) if numbers.contains(&creator) => {
                    numbers.insert(child);
                    if let Some(p) = seen::process(child) {
                        ids.push(p.id());
                    }
                }
                Event::Exit(pid) => drop(numbers.remove(&pid)),
                Event::Fork(..) => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        if *ids != before {
            let _ = self.files.put(&notes(s, me), &serde_json::to_vec(&*ids).unwrap_or_default());
        }
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

/// What a killed supervisor's service is found by: its descendants, as they were a moment ago.
fn note_descendants(files: &FileRegistry, s: Slot, me: Id) {
    let tops = HashMap::from([(me.pid, Top { start: me.start, slot: s.slot, itself: false })]);
    let mut last = Vec::new();
    loop {
        std::thread::sleep(LOOK);
        let Ok(all) = seen::everybody() else { continue };
        let mut ids: Vec<Id> = all
            .values()
            .filter(|p| climb(p.pid, &tops, |p| all.get(&p).map(Up::from)).is_some())
            .map(|p| p.id())
            .collect();
        ids.sort_unstable();
        if ids != last {
            let _ = files.put(&notes(s, me), &serde_json::to_vec(&ids).unwrap_or_default());
            last = ids;
        }
    }
}
