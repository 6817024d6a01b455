//! Holding a lineage still.

use std::io;

use killer_common::record::Member;
use killer_common::states::Thread;

use super::describe::Describer;
use super::family::Freezing;
use super::set::Lineage;
use super::stillness::{self, Still};
use crate::keep::Freezer;
use crate::sys::entry;

impl<'a> Lineage<'a> {
    fn freezer(&self) -> io::Result<&'a dyn Freezer> {
        self.tracker.freezer().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

/// From so many members on, a visit of all tasks can cost less than to look at each member in /proc.
const VISIT_FROM: usize = 64;
/// So many tasks of the host are visited while one member is looked at.
const TASKS_A_MEMBER: usize = 64;

/// Tasks of the host.
fn tasks() -> Option<usize> {
    let text = entry::record("loadavg").ok()?;
    let of_all = str::from_utf8(&text).ok()?.split(' ').nth(3)?.split_once('/')?.1;
    of_all.parse().ok()
}

/// The same while one member's `stat` is read.
const TASKS_A_STAT: usize = 6;

impl Lineage<'_> {
    /// What shows so many of its members to people.
    pub fn describer(&self, members: usize) -> Describer {
        Describer::knowing(self.threads(members, TASKS_A_STAT))
    }

    /// What the kernel tells of members' threads, where it can and that costs less than so many looks, while each of which so many
    /// tasks of the host are visited.
    fn threads(&self, members: usize, tasks_a_look: usize) -> Vec<Thread> {
        let Some(states) = self.tracker.states() else { return Vec::new() };
        let pays = || members >= VISIT_FROM && tasks().is_none_or(|n| n / tasks_a_look <= members);
        // KILLER_STATES=kernel is for tests, which have few members.
        match std::env::var_os("KILLER_STATES").is_some_and(|s| s == "kernel") || pays() {
            true => states.threads().inspect_err(|e| log::debug!("states: {e}")).unwrap_or_default(),
            false => Vec::new(),
        }
    }
}

impl Freezing for Lineage<'_> {
    fn set_freeze(&self, to: u64) -> io::Result<u64> {
        self.watch_lapses();
        self.freezer()?.freeze(self.root.slot, to)
    }

    fn stillness(&self, members: &[Member]) -> Vec<Still> {
        let held = |m: &Member| self.tracker.freezer().is_some_and(|f| f.holds(self.root.slot, m.tgid));
        let looked = stillness::of(members, self.threads(members.len(), TASKS_A_MEMBER));
        let each = members.iter().zip(looked).map(|(m, still)| match still {
            Still::Gone => Still::Gone,
            _ if held(m) => Still::Stopped,
            still => still,
        });
        each.collect()
    }

    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()> {
        match self.freezer()?.note_stopped(self.root.slot, m.tgid, on) {
            // It has ended.
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            r => r,
        }
    }
}
