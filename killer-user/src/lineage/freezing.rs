//! Holding a lineage still.

use std::io;

use killer_common::record::Member;

use super::family::Freezing;
use super::set::Lineage;
use super::stillness::{self, Still};
use crate::keep::Freezer;

impl<'a> Lineage<'a> {
    fn freezer(&self) -> io::Result<&'a dyn Freezer> {
        self.tracker.freezer().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

impl Freezing for Lineage<'_> {
    fn set_freeze(&self, to: u64) -> io::Result<u64> {
        self.watch_lapses();
        self.freezer()?.freeze(self.root.slot, to)
    }

    fn stillness(&self, m: &Member) -> Still {
        match stillness::of(m) {
            Still::Gone => Still::Gone,
            _ if self.tracker.freezer().is_some_and(|f| f.holds(self.root.slot, m.tgid)) => Still::Stopped,
            still => still,
        }
    }

    fn note_stopped(&self, m: &Member, on: bool) -> io::Result<()> {
        match self.freezer()?.note_stopped(self.root.slot, m.tgid, on) {
            // It has ended.
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            r => r,
        }
    }
}
