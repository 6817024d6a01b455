//! Hash maps, read and written from user space.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::super::lack::Lack;
use super::{ElemAttr, MAP_DELETE, MAP_LOOKUP, MAP_LOOKUP_BATCH, MAP_NEXT_KEY, MAP_UPDATE, call, map_info};

/// A hash map whose key and value sizes are those of `K` and `V`: checked once, so reading is safe.
#[derive(Debug)]
pub struct Hash<K: Pod, V: Pod> {
    fd: OwnedFd,
    of: PhantomData<(K, V)>,
}

/// `BPF_NOEXIST`
const NOEXIST: u64 = 1;

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

impl<K: Pod, V: Pod> Hash<K, V> {
    /// Takes a map over; an error when its layout is another.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let i = match map_info(&fd) {
            // Before 4.13 no descriptor says what it is of: where the map came from has to do.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Ok(Self { fd, of: PhantomData }),
            i => i?,
        };
        if i.key_size as usize != size_of::<K>() || i.value_size as usize != size_of::<V>() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the map has another layout"));
        }
        Ok(Self { fd, of: PhantomData })
    }

    /// Takes a map over whose layout was checked by its name when it was opened.
    pub fn checked(fd: OwnedFd) -> Self {
        Self { fd, of: PhantomData }
    }

    /// Reads one value; `None` when the key is not there.
    pub fn get(&self, key: &K) -> io::Result<Option<V>> {
        let mut v = V::zeroed();
        let mut a = ElemAttr {
            map_fd: self.fd.as_raw_fd() as u32,
            key: std::ptr::from_ref(key) as u64,
            value: &raw mut v as u64,
            ..ElemAttr::default()
        };
        match call(MAP_LOOKUP, &mut a) {
            Ok(_) => Ok(Some(v)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Sets one value.
    pub fn put(&self, key: &K, value: &V) -> io::Result<()> {
        self.update(key, value, 0)
    }

    /// Sets a value that is not there; false: it is.
    pub fn add(&self, key: &K, value: &V) -> io::Result<bool> {
        match self.update(key, value, NOEXIST) {
            Err(e) if e.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            r => r.map(|()| true),
        }
    }

    fn update(&self, key: &K, value: &V, flags: u64) -> io::Result<()> {
        let mut a = ElemAttr {
            map_fd: self.fd.as_raw_fd() as u32,
            key: std::ptr::from_ref(key) as u64,
            value: std::ptr::from_ref(value) as u64,
            flags,
            ..ElemAttr::default()
        };
        call(MAP_UPDATE, &mut a).map(drop)
    }

    /// Takes one out; false when it was not there.
    pub fn delete(&self, key: &K) -> io::Result<bool> {
        let mut a = ElemAttr {
            map_fd: self.fd.as_raw_fd() as u32,
            key: std::ptr::from_ref(key) as u64,
            ..ElemAttr::default()
        };
        match call(MAP_DELETE, &mut a) {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Every key, one call each: for maps that only this program changes meanwhile, and that have no batches.
    pub fn keys(&self) -> io::Result<Vec<K>> {
        let mut out: Vec<K> = Vec::new();
        loop {
            let mut next = K::zeroed();
            let mut a = ElemAttr {
                map_fd: self.fd.as_raw_fd() as u32,
                key: out.last().map_or(0, |k| std::ptr::from_ref(k) as u64),
                value: &raw mut next as u64,
                ..ElemAttr::default()
            };
            match call(MAP_NEXT_KEY, &mut a) {
                Ok(_) => out.push(next),
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(out),
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads all of it, key by key. When the key that it stands at is taken out, the kernel begins anew
    /// (`kernel/bpf/hashtab.c:htab_map_get_next_key`): what was met before is passed by, and an end comes in any case.
    ///
    /// # Errors
    /// It was changed so often that no walk came to its end.
    fn one_by_one(&self) -> io::Result<Vec<(K, V)>> {
        /// Steps for each entry that was met.
        const MOST: usize = 64;
        let mut met = std::collections::HashMap::<Vec<u8>, (K, V)>::new();
        let mut at: Option<K> = None;
        let mut steps = 0;
        loop {
            let Some(next) = self.after(at.as_ref())? else { return Ok(met.into_values().collect()) };
            at = Some(next);
            steps += 1;
            if steps > MOST * (met.len() + MOST) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.get(&next)? {
                Some(v) => met.insert(bytemuck::bytes_of(&next).to_vec(), (next, v)),
                None => met.remove(bytemuck::bytes_of(&next)),
            };
        }
    }

    /// The key after this one, or the first.
    fn after(&self, key: Option<&K>) -> io::Result<Option<K>> {
        let mut next = K::zeroed();
        // Before 4.12 there is no "first": what is not in the map comes before it.
        let none = K::zeroed();
        let mut a = ElemAttr {
            map_fd: self.fd.as_raw_fd() as u32,
            key: std::ptr::from_ref(key.unwrap_or(&none)) as u64,
            value: &raw mut next as u64,
            ..ElemAttr::default()
        };
        match call(MAP_NEXT_KEY, &mut a) {
            Ok(_) => Ok(Some(next)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Reads all of it, `chunk` entries a call (5.6+). Entries that come or go meanwhile may be in it or not; none
    /// that stays is missed (`kernel/bpf/hashtab.c:__htab_map_lookup_and_delete_batch` goes bucket by bucket).
    pub fn all(&self, chunk: usize) -> io::Result<Vec<(K, V)>> {
        if Lack::Batch.asked() {
            return self.one_by_one();
        }
        let mut out = Vec::new();
        let mut chunk = chunk;
        let mut cursor = [0u64; 2];
        let mut next = [0u64; 2];
        let mut first = true;
        loop {
            let mut keys: Vec<K> = bytemuck::zeroed_vec(chunk);
            let mut values: Vec<V> = bytemuck::zeroed_vec(chunk);
            let mut a = BatchAttr {
                in_batch: if first { 0 } else { cursor.as_ptr() as u64 },
                out_batch: next.as_mut_ptr() as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: chunk as u32,
                map_fd: self.fd.as_raw_fd() as u32,
                ..BatchAttr::default()
            };
            let end = match call(MAP_LOOKUP_BATCH, &mut a) {
                Ok(_) => false,
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => true,
                // One bucket holds more than was asked for.
                Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && chunk < 1 << 22 => {
                    chunk *= 2;
                    continue;
                }
                // Before 5.6.
                Err(e) if first && e.raw_os_error() == Some(libc::EINVAL) => return self.one_by_one(),
                Err(e) => return Err(e),
            };
            out.extend(keys.into_iter().zip(values).take(a.count as usize));
            if end {
                return Ok(out);
            }
            cursor = next;
            first = false;
        }
    }
}
