//! The process that stays behind with what was started: its supervisor.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use killer_common::record::B_MAIN;

use super::super::files::FileRegistry;
use super::super::seen;
use super::super::seen::Id;
use super::descent::{Top, Up, climb};
use super::{Scan, mark, notes, start_line};
use crate::keep::Slot;
use crate::sys::launch::{self, Launch};
use crate::sys::supervise;

/// How often it looks at its descendants.
const LOOK: Duration = Duration::from_secs(2);

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
