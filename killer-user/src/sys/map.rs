//! Arrays that programs write and user space reads. Where they can be mapped (`BPF_F_MMAPABLE`, 5.5+) that costs no system call;
//! before, each look is one.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytemuck::{Pod, Zeroable};
use killer_common::record::{Control, Pop, RootRecord};

use super::{bpf, limits};

/// Where the records are.
#[derive(Debug)]
enum At<T> {
    /// In a mapping of so many bytes.
    Here(*mut T, usize),
    /// In the kernel: each look is a call, and each change is one under the lock of this file.
    There(OwnedFd, File),
    /// As `Here`, once it is looked at often.
    Later(Later<T>),
}

/// A large array that is only read. To map it the kernel enters each page of it (`kernel/bpf/arraymap.c:array_map_mmap`), which is
/// more work than a few looks by calls, and most commands make none or a few.
#[derive(Debug)]
struct Later<T> {
    map: OwnedFd,
    /// Looks by calls until now.
    looks: AtomicU32,
    /// Its mapping; `None`: it could not be mapped, and calls go on.
    here: OnceLock<Option<(*mut T, usize)>>,
}

impl<T: Pod> Later<T> {
    /// The record, by a call while there were few.
    fn get(&self, i: usize, len: usize) -> Option<T> {
        if self.here.get().is_none()
            && self.looks.fetch_add(1, Ordering::Relaxed) < FEW_LOOKS
            && let Some(v) = looked_up(&self.map, i)
        {
            return Some(v);
        }
        match self.at(len) {
            // SAFETY: the caller's i is below len, the mapping holds len records, and any bits are a T.
            Some(at) => Some(unsafe { std::ptr::read_volatile(at.add(i)) }),
            None => looked_up(&self.map, i),
        }
    }

    fn at(&self, len: usize) -> Option<*mut T> {
        self.here.get_or_init(|| map_pages(&self.map, len, false).ok()).map(|(at, _)| at)
    }
}

/// From so many bytes on an array that is only read is mapped when it is looked at often.
const LARGE: usize = 384 << 10;
/// So many looks by calls cost less than to map it.
const FEW_LOOKS: u32 = 8;
/// With fewer descriptors than this none is kept for it.
const ROOM: u64 = 64;

fn looked_up<T: Pod>(map: &OwnedFd, i: usize) -> Option<T> {
    let mut v = T::zeroed();
    bpf::lookup(map, i as u32, bytemuck::bytes_of_mut(&mut v)).ok().map(|()| v)
}

/// Maps so many records: where, and how many bytes.
fn map_pages<T>(map: &OwnedFd, len: usize, write: bool) -> io::Result<(*mut T, usize)> {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    let bytes = bytes_of::<T>(len);
    let prot = if write { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
    // SAFETY: a fresh mapping at an address of the kernel's choice.
    let at = unsafe { mmap(std::ptr::null_mut(), bytes, prot, MapFlags::SHARED, map, 0) }?;
    Ok((at.cast(), bytes))
}

/// Of numbers an element of the map holds many, so that a look is at no one element.
fn is_large<T>(len: usize) -> bool {
    size_of::<T>() > size_of::<u64>() && bytes_of::<T>(len) >= LARGE
}

fn bytes_of<T>(len: usize) -> usize {
    (len * size_of::<T>()).next_multiple_of(4096)
}

/// An array map.
#[derive(Debug)]
pub struct Mapped<T: Pod> {
    at: At<T>,
    len: usize,
    of: PhantomData<T>,
}

// SAFETY: the mapping belongs to the value, and every access is a volatile read or an atomic operation.
unsafe impl<T: Pod> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Pod> Sync for Mapped<T> {}

impl<T: Pod> Mapped<T> {
    /// Maps `len` records. `write` is refused by the kernel for a frozen map. One that cannot be mapped is looked at by calls, and
    /// changed under the lock of the file that `lock` opens.
    pub fn new(
        map: OwnedFd,
        len: usize,
        write: bool,
        lock: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Self> {
        let at = if !write && is_large::<T>(len) && limits::descriptors() >= ROOM {
            At::Later(Later { map, looks: AtomicU32::new(0), here: OnceLock::new() })
        } else {
            match map_pages(&map, len, write) {
                Ok((at, bytes)) => At::Here(at, bytes),
                Err(_) if !bpf::can_map(&map)? => At::There(map, lock()?),
                Err(e) => return Err(e),
            }
        };
        Ok(Self { at, len, of: PhantomData })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A copy of record `i`; not atomic as a whole, each word is. `None`: there is none, or it could not be looked at.
    pub fn get(&self, i: usize) -> Option<T> {
        if i >= self.len {
            return None;
        }
        match &self.at {
            // SAFETY: i < len, the mapping holds len records, and any bits are a T.
            At::Here(at, _) => Some(unsafe { std::ptr::read_volatile(at.add(i)) }),
            At::There(map, _) => looked_up(map, i),
            At::Later(later) => later.get(i, self.len),
        }
    }

    /// All records, one after the other; those that cannot be looked at are left out.
    pub fn for_each(&self, mut f: impl FnMut(usize, T)) {
        if let At::Later(later) = &self.at {
            later.at(self.len);
        }
        for i in 0..self.len {
            if let Some(v) = self.get(i) {
                f(i, v);
            }
        }
    }
}

impl Mapped<u16> {
    /// Calls `f` for every entry that is not 0, in order; skips zeros eight bytes at a time.
    ///
    /// # Errors
    /// Not all could be looked at.
    pub fn nonzero(&self, mut f: impl FnMut(usize, u16)) -> io::Result<()> {
        let mut word = |w: usize, v: u64| {
            for k in (0..4).filter(|_| v != 0) {
                let e = (v >> (16 * k)) as u16;
                if e != 0 {
                    f(w * 4 + k, e);
                }
            }
        };
        match &self.at {
            At::Later(_) => return Err(io::ErrorKind::Unsupported.into()),
            At::Here(at, _) => {
                let base = at.cast::<u64>();
                for w in 0..self.len / 4 {
                    // SAFETY: w < len / 4; the mapping is page-aligned and holds len * 2 bytes.
                    word(w, unsafe { std::ptr::read_volatile(base.add(w)) });
                }
            }
            At::There(map, _) => {
                const WORDS: usize = killer_common::TGIDS as usize / 4;
                let mut element = vec![0u64; WORDS];
                for e in 0..self.len / 4 / WORDS {
                    bpf::lookup(map, e as u32, bytemuck::cast_slice_mut(&mut element))?;
                    element.iter().enumerate().for_each(|(w, v)| word(e * WORDS + w, *v));
                }
            }
        }
        Ok(())
    }
}

/// One of the words of a root's [`Control`], which hooks only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The gate.
    Gate,
    /// What keeps a slot from being used again.
    Hold,
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
            At::There(..) | At::Later(_) => None,
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

impl Mapped<u64> {
    /// So many words that nobody else sees: where no hook looks at them, and the map cannot be mapped.
    pub fn of_our_own(len: usize) -> io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let bytes = (len * size_of::<u64>()).next_multiple_of(4096);
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        Ok(Self { at: At::Here(at.cast(), bytes), len, of: PhantomData })
    }

    /// A word, as an atomic on the mapping.
    pub fn word(&self, i: usize) -> Option<&AtomicU64> {
        let At::Here(at, _) = &self.at else { return None };
        // SAFETY: i < len; an aligned u64; the mapping lives as long as self.
        (i < self.len).then(|| unsafe { AtomicU64::from_ptr(at.add(i)) })
    }
}

impl Mapped<RootRecord> {
    /// The first six fields of a record, from `generation` to `parent_generation`: a tenth of it.
    pub fn head(&self, slot: usize) -> Option<[u32; 6]> {
        match &self.at {
            At::Here(at, _) if slot < self.len => {
                // SAFETY: slot < len, and the record begins with these, aligned; any bits are numbers.
                Some(unsafe { std::ptr::read_volatile(at.add(slot).cast()) })
            }
            _ => self
                .get(slot)
                .map(|r| [r.generation, r.state, r.parent, r.depth, r.main_tgid, r.parent_generation]),
        }
    }
}

impl Mapped<Pop> {
    /// The kernel's count of a root. SeqCst, so that it is read after the gate was exchanged. One that cannot be looked at counts as
    /// somebody: only a count that was seen as 0 means "empty".
    pub fn count(&self, slot: usize) -> i64 {
        assert!(slot < self.len, "slot out of range");
        match &self.at {
            At::Here(at, _) => {
                // SAFETY: `pop` is the first, aligned i64 of the record; a load only, so a read-only mapping is fine.
                unsafe { AtomicU64::from_ptr(at.add(slot).cast()) }.load(Ordering::SeqCst) as i64
            }
            At::There(..) | At::Later(_) => self.get(slot).map_or(1, |p| p.pop),
        }
    }
}

impl<T: Pod> Drop for Mapped<T> {
    fn drop(&mut self) {
        let made = match &self.at {
            At::Here(at, bytes) => Some((*at, *bytes)),
            At::Later(later) => later.here.get().copied().flatten(),
            At::There(..) => None,
        };
        if let Some((at, bytes)) = made {
            // SAFETY: made by `new` with this size and dropped once.
            unsafe {
                let _ = rustix::mm::munmap(at.cast(), bytes);
            }
        }
    }
}
