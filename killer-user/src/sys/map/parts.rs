//! A large array of numbers, mapped piece by piece. To map it whole the kernel enters each page of it
//! (`kernel/bpf/arraymap.c:array_map_mmap`), which with a `pid_max` of 4 Mi are 32 MiB for eight bytes a number.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use bytemuck::Pod;

/// So many records are mapped at once: an element of the map, and whole pages.
const PART: usize = killer_common::TGIDS as usize;

/// What is mapped of it.
#[derive(Debug)]
pub struct Parts<T> {
    map: OwnedFd,
    writes: bool,
    /// Where each is; `None`: it could not be mapped.
    parts: Vec<OnceLock<Option<*const T>>>,
}

impl<T: Pod> Parts<T> {
    /// Of a map that can be mapped, with so many records; `writes`: they are changed here, too.
    pub fn new(map: OwnedFd, len: usize, writes: bool) -> Self {
        let mut parts = Vec::new();
        parts.resize_with(len / PART, OnceLock::new);
        Self { map, writes, parts }
    }

    /// The record; `None`: there is none, or it could not be looked at.
    pub fn get(&self, i: usize) -> Option<T> {
        // SAFETY: the part is mapped as long as self lives, and any bits are a T.
        self.at(i).map(|at| unsafe { std::ptr::read_volatile(at) })
    }

    /// Where the record is, as long as this value lives.
    pub fn at(&self, i: usize) -> Option<*const T> {
        let part = *self.parts.get(i / PART)?.get_or_init(|| self.map(i / PART).ok());
        // SAFETY: the part has PART records.
        part.map(|at| unsafe { at.add(i % PART) })
    }

    fn map(&self, part: usize) -> io::Result<*const T> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let from = (part * PART * size_of::<T>()) as u64;
        let bytes = PART * size_of::<T>();
        let rights = if self.writes { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let at = unsafe { mmap(std::ptr::null_mut(), bytes, rights, MapFlags::SHARED, &self.map, from) }?;
        Ok(at.cast())
    }
}

impl<T> Drop for Parts<T> {
    fn drop(&mut self) {
        for at in self.parts.iter().filter_map(|p| p.get().copied().flatten()) {
            // SAFETY: made by `map` with this size and dropped once.
            unsafe {
                let _ = rustix::mm::munmap(at.cast_mut().cast(), PART * size_of::<T>());
            }
        }
    }
}
