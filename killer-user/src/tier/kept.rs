//! What the tiers without programs have in common: their registry is a book.

use std::io;

use killer_common::record::Root;

use super::book::{Book, Page};
use super::look;
use crate::keep::{KeepError, Lock, Registry, Sets, Slot};

/// A tier whose registry is a book.
pub trait InBook: Sets {
    /// The book.
    fn book(&self) -> &Book;
    /// Makes what a new root needs before its page is there.
    fn prepare(&self, s: Slot, parent: u32, page: &mut Page) -> io::Result<()>;
}

impl<T: InBook> Registry for T {
    fn lock(&self) -> Result<Lock, KeepError> {
        match self.book().lock() {
            Ok(lock) => Ok(Box::new(lock)),
            Err(e) => Err(KeepError::Io { what: "locking the registry".into(), source: e }),
        }
    }

    fn slot(&self, slot: u32) -> Option<Root> {
        Some(self.book().page(slot).root())
    }

    fn roots(&self) -> Vec<(u32, Root)> {
        self.book().pages().into_iter().map(|(s, p)| (s, p.root())).collect()
    }

    fn free_slot(&self) -> Option<Slot> {
        self.book().free_slot()
    }

    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot> {
        let new = Slot { slot: old.slot, generation: old.generation + 1 };
        self.book().create(old, parent, flags, name, |page| self.prepare(new, parent, page))
    }

    fn go_live(&self, s: Slot) -> io::Result<()> {
        self.book().go_live(s)
    }

    fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
        self.book().change(s, |p| p.name = name.to_owned())
    }

    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
        let main = match self.member(tgid)? {
            _ if tgid == 0 => (0, 0),
            Some(m) if m.root == s.slot => (tgid, look::ticks(m.leader_start)),
            _ => return Err(io::Error::from_raw_os_error(libc::ENOENT)),
        };
        self.book().change(s, |p| p.main = main)
    }

    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        self.book().note_kill(s, signal, uid, outcome)
    }

    fn set_stop_command(&self, s: Slot, text: &[u8]) -> io::Result<()> {
        self.book().change(s, |p| p.stop = text.to_owned())
    }

    fn stop_command(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
        let p = self.book().page(s.slot);
        Ok(Some(p.stop).filter(|t| p.generation == s.generation && !t.is_empty()))
    }
}
