//! Arrays that programs write and user space reads. Where they can be mapped (`BPF_F_MMAPABLE`, 5.5+) that costs no system call;
//! before, each look is one.

pub mod control;
mod parts;

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytemuck::Pod;
use killer_common::record::{Pop, RootRecord};

use self::parts::Parts;
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
    /// Mapped piece by piece.
    Parts(Parts<T>),
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

    /// As [`Self::new`], of an array that has a place for each number: what nobody looks at is not mapped.
    ///
    /// # Errors
    /// It cannot be mapped although the kernel can.
    pub fn by_number(
        map: OwnedFd,
        len: usize,
        write: bool,
        lock: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Self> {
        let one = len <= killer_common::TGIDS as usize;
        let at = match one || limits::descriptors() < ROOM || !bpf::can_map(&map)? {
            true => return Self::new(map, len, write, lock),
            // Of these all are looked at, or none.
            false if size_of::<T>() == size_of::<u16>() => {
                At::Later(Later { map, looks: AtomicU32::new(0), here: OnceLock::new() })
            }
            false => At::Parts(Parts::new(map, len, write)),
        };
        Ok(Self { at, len, of: PhantomData })
    }

    /// True when it is mapped, or will be: looks are no system calls.
    pub fn is_mapped(&self) -> bool {
        !matches!(self.at, At::There(..))
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
            At::Parts(parts) => parts.get(i),
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
        let here = match &self.at {
            At::Here(at, _) => Some(*at),
            At::Later(later) => Some(later.at(self.len).ok_or(io::ErrorKind::OutOfMemory)?),
            _ => None,
        };
        match (&self.at, here) {
            (_, Some(at)) => {
                let base = at.cast::<u64>();
                for w in 0..self.len / 4 {
                    // SAFETY: w < len / 4; the mapping is page-aligned and holds len * 2 bytes.
                    word(w, unsafe { std::ptr::read_volatile(base.add(w)) });
                }
            }
            (At::There(map, _), None) => {
                const WORDS: usize = killer_common::TGIDS as usize / 4;
                let mut element = vec![0u64; WORDS];
                for e in 0..self.len / 4 / WORDS {
                    bpf::lookup(map, e as u32, bytemuck::cast_slice_mut(&mut element))?;
                    element.iter().enumerate().for_each(|(w, v)| word(e * WORDS + w, *v));
                }
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
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
        if i >= self.len {
            return None;
        }
        let at = match &self.at {
            // SAFETY: i < len.
            At::Here(at, _) => unsafe { at.add(i) },
            At::Parts(parts) => parts.at(i)?.cast_mut(),
            _ => return None,
        };
        // SAFETY: an aligned u64; the mapping lives as long as self.
        Some(unsafe { AtomicU64::from_ptr(at) })
    }
}

impl Mapped<RootRecord> {
    /// The first six fields of a record, from `generation` to `parent_generation`: a tenth of it.
    pub fn head(&self, slot: usize) -> Option<[u32; 6]> {
        let mapped = match &self.at {
            At::Here(at, _) => Some(*at),
            At::Later(later) => later.here.get().copied().flatten().map(|(at, _)| at),
            At::There(..) | At::Parts(_) => None,
        };
        match mapped {
            Some(at) if slot < self.len => {
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
            At::There(..) | At::Later(_) | At::Parts(_) => self.get(slot).map_or(1, |p| p.pop),
        }
    }
}

impl<T: Pod> Drop for Mapped<T> {
    fn drop(&mut self) {
        let made = match &self.at {
            At::Here(at, bytes) => Some((*at, *bytes)),
            At::Later(later) => later.here.get().copied().flatten(),
            At::There(..) | At::Parts(_) => None,
        };
        if let Some((at, bytes)) = made {
            // SAFETY: made by `new` with this size and dropped once.
            unsafe {
                let _ = rustix::mm::munmap(at.cast(), bytes);
            }
        }
    }
}
