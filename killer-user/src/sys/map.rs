//! Mappings of `BPF_F_MMAPABLE` arrays (5.5+): reading the kernel's figures costs no system call.

use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytemuck::Pod;
use killer_common::record::{Control, Pop};

/// A mapping of an array map.
#[derive(Debug)]
pub struct Mapped<T: Pod> {
    at: *mut T,
    bytes: usize,
    len: usize,
    of: PhantomData<T>,
}

// SAFETY: the mapping belongs to the value, and every access is a volatile read or an atomic operation.
unsafe impl<T: Pod> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Pod> Sync for Mapped<T> {}

impl<T: Pod> Mapped<T> {
    /// Maps `len` records. `write` is refused by the kernel for a frozen map.
    pub fn new(map: impl AsFd, len: usize, write: bool) -> io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let bytes = (len * size_of::<T>()).next_multiple_of(4096);
        let prot = if write { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe { mmap(std::ptr::null_mut(), bytes, prot, MapFlags::SHARED, map, 0) }?;
        Ok(Self { at: at.cast(), bytes, len, of: PhantomData })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A copy of record `i`; not atomic as a whole, each word is.
    pub fn get(&self, i: usize) -> Option<T> {
        // SAFETY: i < len, the mapping holds len records, and any bits are a T.
        (i < self.len).then(|| unsafe { std::ptr::read_volatile(self.at.add(i)) })
    }

    /// All records as a slice of another view: for the scan of the index.
    pub fn for_each(&self, mut f: impl FnMut(usize, T)) {
        for i in 0..self.len {
            // SAFETY: as in `get`.
            f(i, unsafe { std::ptr::read_volatile(self.at.add(i)) });
        }
    }
}

impl Mapped<u16> {
    /// Calls `f` for every entry that is not 0, in order; skips zeros eight bytes at a time.
    pub fn nonzero(&self, mut f: impl FnMut(usize, u16)) {
        let words = self.len / 4;
        let base = self.at.cast::<u64>();
        for w in 0..words {
            // SAFETY: w < len / 4; the mapping is page-aligned and holds len * 2 bytes.
            let v = unsafe { std::ptr::read_volatile(base.add(w)) };
            if v != 0 {
                for k in 0..4 {
                    let e = (v >> (16 * k)) as u16;
                    if e != 0 {
                        f(w * 4 + k, e);
                    }
                }
            }
        }
    }
}

impl Mapped<Control> {
    /// The gate word of a root, as an atomic on the mapping (a map update would be no exchange).
    pub fn gate(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: `gate` is the first, aligned u64 of the record; hooks only read it; the mapping lives as long as self.
        unsafe { AtomicU64::from_ptr(self.at.add(slot).cast()) }
    }
}

impl Mapped<Control> {
    /// Sets a broadcast: everything else first, the epoch last, so that a hook that sees the epoch sees the rest.
    pub fn broadcast(&self, slot: usize, epoch: u64, signal: u32, policy: u32, value: u64, until: u64) {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: aligned integers of a record in range; hooks only read them.
        unsafe {
            let c = self.at.add(slot);
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
}

impl Mapped<Control> {
    /// The word that keeps a slot from being used again.
    pub fn hold(&self, slot: usize) -> &AtomicU64 {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: an aligned u64 of a record in range; hooks only read it; the mapping lives as long as self.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.at.add(slot)).hold) }
    }
}

impl Mapped<Control> {
    /// Lets a broadcast hold until then.
    pub fn renew(&self, slot: usize, until: u64) {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: an aligned integer of a record in range; hooks only read it.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.at.add(slot)).until).store(until, Ordering::SeqCst) };
    }

    /// Takes a bit out of the value of a broadcast. Only its sweeper writes that.
    pub fn at_birth(&self, slot: usize, later: u64) {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: as in `renew`.
        unsafe {
            AtomicU64::from_ptr(&raw mut (*self.at.add(slot)).value).fetch_and(!later, Ordering::SeqCst)
        };
    }

    /// Has entries of system calls stamped for this epoch; 0: no more.
    pub fn stamps(&self, slot: usize, epoch: u64) {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: as in `renew`.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.at.add(slot)).stamps).store(epoch, Ordering::SeqCst) };
    }
}

impl Mapped<u64> {
    /// A word, as an atomic on the mapping.
    pub fn word(&self, i: usize) -> Option<&AtomicU64> {
        // SAFETY: i < len; an aligned u64; the mapping lives as long as self.
        (i < self.len).then(|| unsafe { AtomicU64::from_ptr(self.at.add(i)) })
    }
}

impl Mapped<Pop> {
    /// The kernel's count of a root. SeqCst, so that it is read after the gate was exchanged.
    pub fn count(&self, slot: usize) -> i64 {
        assert!(slot < self.len, "slot out of range");
        // SAFETY: `pop` is the first, aligned i64 of the record; a load only, so a read-only mapping is fine.
        let a = unsafe { AtomicU64::from_ptr(self.at.add(slot).cast()) };
        a.load(Ordering::SeqCst) as i64
    }
}

impl<T: Pod> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this size and dropped once.
        unsafe {
            let _ = rustix::mm::munmap(self.at.cast(), self.bytes);
        }
    }
}
