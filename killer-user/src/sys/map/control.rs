//! The control lines: words that user space exchanges and hooks read.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use killer_common::record::Control;

use bytemuck::Zeroable;

use super::{At, Mapped};
use crate::sys::bpf;

/// One of the words of a [`Control`], which hooks only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The gate.
    Gate,
    /// What keeps a slot from being used again.
    Hold,
    /// When the hook on signals was last needed.
    HeardAt,
}

impl Mapped<Control> {
    /// A word of a root. SeqCst.
    pub fn word_of(&self, slot: usize, word: Word) -> u64 {
        match self.at(slot) {
            // SAFETY: an aligned u64 of a record in range; the mapping lives as long as self.
            Some(c) => unsafe { AtomicU64::from_ptr(field(c, word)) }.load(Ordering::SeqCst),
            None => self.get(slot).map_or(0, |mut c| {
                // SAFETY: a word of a record of our own.
                unsafe { *field(&raw mut c, word) }
            }),
        }
    }

    /// Changes a word of a root in one step, unless `to` says `None` to what it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn change(&self, slot: usize, word: Word, to: impl Fn(u64) -> Option<u64>) -> io::Result<()> {
        if let Some(c) = self.at(slot) {
            // SAFETY: as in `word_of`.
            let w = unsafe { AtomicU64::from_ptr(field(c, word)) };
            let _ = w.fetch_update(Ordering::SeqCst, Ordering::SeqCst, to);
            return Ok(());
        }
        self.edit(slot, |c| {
            // SAFETY: a word of a record of our own.
            let w = unsafe { &mut *field(std::ptr::from_mut(c), word) };
            *w = to(*w).unwrap_or(*w);
        })
    }

    /// The record in the mapping, where there is one.
    fn at(&self, slot: usize) -> Option<*mut Control> {
        assert!(slot < self.len, "slot out of range");
        match &self.at {
            // SAFETY: slot < len.
            At::Here(at, _) => Some(unsafe { at.add(slot) }),
            At::There(..) | At::Later(_) | At::Parts(_) => None,
        }
    }

    /// Changes a record that is not mapped. The kernel copies it word by word, so hooks see each word whole.
    fn edit(&self, slot: usize, change: impl FnOnce(&mut Control)) -> io::Result<()> {
        let At::There(map, lock) = &self.at else { return Err(io::ErrorKind::Unsupported.into()) };
        rustix::fs::flock(lock, rustix::fs::FlockOperation::LockExclusive)?;
        let mut c = Control::zeroed();
        let done = bpf::lookup(map, slot as u32, bytemuck::bytes_of_mut(&mut c)).and_then(|()| {
            change(&mut c);
            bpf::update(map, slot as u32, bytemuck::bytes_of(&c))
        });
        rustix::fs::flock(lock, rustix::fs::FlockOperation::Unlock)?;
        done
    }
}

/// Where a word is in a record.
///
/// # Safety
/// `c` points to a whole Control.
unsafe fn field(c: *mut Control, word: Word) -> *mut u64 {
    // SAFETY: the caller's.
    unsafe {
        match word {
            Word::Gate => &raw mut (*c).gate,
            Word::Hold => &raw mut (*c).hold,
            Word::HeardAt => &raw mut (*c).heard_at,
        }
    }
}

impl Mapped<Control> {
    /// Sets a broadcast: everything else first, the epoch last, so that a hook that sees the epoch sees the rest.
    pub fn broadcast(&self, slot: usize, epoch: u64, signal: u32, policy: u32, value: u64, until: u64) {
        let Some(c) = self.at(slot) else {
            // Tiers without mappings decide nothing at birth: only user space reads it.
            let _ = self.edit(slot, |c| {
                (c.last_epoch, c.last_value) = (c.epoch, c.value);
                (c.epoch, c.signal, c.policy, c.value, c.until) = (epoch, signal, policy, value, until);
            });
            return;
        };
        // SAFETY: aligned integers of a record in range; hooks only read them.
        unsafe {
            let (old_epoch, old_value) = ((*c).epoch, (*c).value);
            AtomicU64::from_ptr(&raw mut (*c).epoch).store(0, Ordering::SeqCst);
            AtomicU64::from_ptr(&raw mut (*c).last_epoch).store(old_epoch, Ordering::SeqCst);
            AtomicU64::from_ptr(&raw mut (*c).last_value).store(old_value, Ordering::SeqCst);
            AtomicU32::from_ptr(&raw mut (*c).signal).store(signal, Ordering::SeqCst);
            AtomicU32::from_ptr(&raw mut (*c).policy).store(policy, Ordering::SeqCst);
            AtomicU64::from_ptr(&raw mut (*c).value).store(value, Ordering::SeqCst);
            AtomicU64::from_ptr(&raw mut (*c).until).store(until, Ordering::SeqCst);
            AtomicU64::from_ptr(&raw mut (*c).epoch).store(epoch, Ordering::SeqCst);
        }
    }

    /// Lets a broadcast hold until then.
    pub fn renew(&self, slot: usize, until: u64) {
        match self.at(slot) {
            // SAFETY: an aligned integer of a record in range; hooks only read it.
            Some(c) => unsafe { AtomicU64::from_ptr(&raw mut (*c).until).store(until, Ordering::SeqCst) },
            None => drop(self.edit(slot, |c| c.until = until)),
        }
    }

    /// Takes a bit out of the value of a broadcast. Only its sweeper writes that.
    pub fn at_birth(&self, slot: usize, later: u64) {
        match self.at(slot) {
            // SAFETY: as in `renew`.
            Some(c) => unsafe {
                AtomicU64::from_ptr(&raw mut (*c).value).fetch_and(!later, Ordering::SeqCst);
            },
            None => drop(self.edit(slot, |c| c.value &= !later)),
        }
    }

    /// Has entries of system calls stamped for this epoch; 0: no more.
    pub fn stamps(&self, slot: usize, epoch: u64) {
        match self.at(slot) {
            // SAFETY: as in `renew`.
            Some(c) => unsafe { AtomicU64::from_ptr(&raw mut (*c).stamps).store(epoch, Ordering::SeqCst) },
            None => drop(self.edit(slot, |c| c.stamps = epoch)),
        }
    }
}
