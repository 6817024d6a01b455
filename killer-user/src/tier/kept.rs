//! What the tiers without programs have in common: their registry is a book.

/// What [`Keep`](super::Keep) asks of a registry, answered by a book.
macro_rules! kept_in_book {
    () => {
        fn place(&self) -> Option<&std::path::Path> {
            Some(self.book.dir())
        }

        fn lock(&self) -> Result<Lock, BpfError> {
            let lock = self.book.lock();
            Ok(Lock::Book(lock.map_err(|e| BpfError::Io { what: "locking the registry".into(), source: e })?))
        }

        fn slot(&self, slot: u32) -> Option<Root> {
            Some(self.book.page(slot).root())
        }

        fn roots(&self) -> Vec<(u32, Root)> {
            self.book.pages().into_iter().map(|(s, p)| (s, p.root())).collect()
        }

        fn free_slot(&self) -> Option<Slot> {
            self.book.free_slot()
        }

        fn go_live(&self, s: Slot) -> io::Result<()> {
            self.book.go_live(s)
        }

        fn rename(&self, s: Slot, name: &str) -> io::Result<()> {
            self.book.change(s, |p| p.name = name.to_owned())
        }

        fn set_main(&self, s: Slot, tgid: u32) -> io::Result<()> {
            let main = match self.member(tgid)? {
                _ if tgid == 0 => (0, 0),
                Some(m) if m.root == s.slot => (tgid, look::ticks(m.leader_start)),
                _ => return Err(io::Error::from_raw_os_error(libc::ENOENT)),
            };
            self.book.change(s, |p| p.main = main)
        }

        fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
            self.book.note_kill(s, signal, uid, outcome)
        }

        fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
            self.book.reason(s, reason)
        }

        fn set_stop(&self, s: Slot, text: &[u8]) -> io::Result<()> {
            self.book.change(s, |p| p.stop = text.to_owned())
        }

        fn stop(&self, s: Slot) -> io::Result<Option<Vec<u8>>> {
            let p = self.book.page(s.slot);
            Ok(Some(p.stop).filter(|t| p.generation == s.generation && !t.is_empty()))
        }
    };
}
pub(super) use kept_in_book;
