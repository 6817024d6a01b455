//! What the tiers without programs have in common: their registry is files.

use std::io;

use killer_common::record::RootRecord;

use super::record::RootFile;
use super::registry::FileRegistry;
use crate::keep::{KeepError, Lock, Registry, Sets, Slot};
use crate::tier::seen;

/// A tier whose registry is files.
pub trait OnFiles: Sets {
    /// The registry.
    fn files(&self) -> &FileRegistry;
    /// Makes what a new root needs before its file is there.
    fn prepare(&self, s: Slot, parent: u32, root: &mut RootFile) -> io::Result<()>;
}

impl<T: OnFiles> Registry for T {
    fn lock(&self) -> Result<Lock, KeepError> {
        match self.files().lock() {
            Ok(lock) => Ok(Box::new(lock)),
            Err(e) => Err(KeepError::Io { what: "locking the registry".into(), source: e }),
        }
    }

    fn slot(&self, slot: u32) -> Option<RootRecord> {
        Some(self.files().root(slot).record())
    }

    fn roots(&self) -> Vec<(u32, RootRecord)> {
        self.files().roots().into_iter().map(|(s, p)| (s, p.record())).collect()
    }

    fn free_slot(&self) -> Option<Slot> {
        self.files().free_slot()
    }

    fn create(&self, old: Slot, parent: u32, flags: u64, name: &str) -> io::Result<Slot> {
        let new = Slot { slot: old.slot, generation: old.generation + 1 };
        self.files().create(old, parent, flags, name, |root| self.prepare(new, parent, root))
    }

    fn go_live(&self, s: Slot) -> io::Result<()> {
        self.files().go_live(s)
    }

    fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
        self.files().change(s, |p| p.name = name.to_owned())
    }

    fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
        let main = match self.member(tgid)? {
            _ if tgid == 0 => seen::Id::default(),
            Some(m) if m.root == s.slot => seen::Id { pid: tgid, start: seen::ticks(m.leader_start) },
            _ => return Err(io::Error::from_raw_os_error(libc::ENOENT)),
        };
        self.files().change(s, |p| p.main = main)
    }

    fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        self.files().note_kill(s, signal, uid, outcome)
    }

    fn set_stop_command(&self, s: Slot, text: &[u8]) -> io::Result<()> {
        self.files().change(s, |p| p.stop = text.to_owned())
    }

    fn stop_command(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
        let p = self.files().root(s.slot);
        Ok(Some(p.stop).filter(|t| p.generation == s.generation && !t.is_empty()))
    }
}
