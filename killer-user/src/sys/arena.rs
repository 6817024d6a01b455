//! The program's memory: what a command needs lies in the program itself, so that it asks the kernel for none.
//!
//! A command lives for a millisecond and takes some hundred KiB. musl's allocator maps each size apart and gives it back, at a
//! system call and a page fault each. Here a pointer goes up; what was taken last goes back, and the rest with the process. What does
//! not fit any more is the C library's, so a process that lives on is no worse than before. Nothing is locked: a child that
//! was forked while another thread took memory can take some, too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire};

/// Bytes; pages of it that nobody has touched are no memory.
const SIZE: usize = 1 << 20;
/// What is larger is the C library's: it maps that, and gives it back.
const LARGE: usize = SIZE / 4;
/// Alignment of the whole.
const ALIGN: usize = 4096;

#[repr(C, align(4096))]
struct Bytes(UnsafeCell<[u8; SIZE]>);

/// An allocator for one program.
pub struct Arena {
    bytes: Bytes,
    used: AtomicUsize,
}

// SAFETY: of `bytes` only parts are used, each by the one that it was given to; `used` is atomic.
unsafe impl Sync for Arena {}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// Nothing has been taken.
    pub const fn new() -> Self {
        Self { bytes: Bytes(UnsafeCell::new([0; SIZE])), used: AtomicUsize::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.bytes.0.get().cast()
    }

    /// Where in the arena this is; `None`: it is the C library's.
    fn place(&self, ptr: *mut u8) -> Option<usize> {
        (ptr as usize).checked_sub(self.base() as usize).filter(|at| *at < SIZE)
    }

    /// Takes bytes; `None`: there is no room.
    fn take(&self, layout: Layout) -> Option<usize> {
        if layout.size() > LARGE || layout.align() > ALIGN {
            return None;
        }
        let mut used = self.used.load(Acquire);
        loop {
            let at = used.next_multiple_of(layout.align());
            let end = at + layout.size();
            if end > SIZE {
                return None;
            }
            match self.used.compare_exchange_weak(used, end, AcqRel, Acquire) {
                Ok(_) => return Some(at),
                Err(now) => used = now,
            }
        }
    }

    /// Lets what was taken last end here instead of there; false: it was not the last.
    fn end(&self, from: usize, to: usize) -> bool {
        self.used.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }
}

// SAFETY: each part that is handed out is aligned, inside of the arena, and nobody else's: `used` went over it in one step.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            // SAFETY: `at` is below SIZE, or is SIZE for what has no bytes.
            Some(at) => unsafe { self.base().add(at) },
            // SAFETY: the caller's.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            // SAFETY: as in `alloc`; what went back before is not 0.
            Some(at) => unsafe {
                let p = self.base().add(at);
                p.write_bytes(0, layout.size());
                p
            },
            // SAFETY: the caller's.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        match self.place(ptr) {
            Some(at) => drop(self.end(at + layout.size(), at)),
            // SAFETY: the caller's; it came from there.
            None => unsafe { System.dealloc(ptr, layout) },
        }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(at) = self.place(ptr) else {
            // SAFETY: the caller's; it came from there.
            return unsafe { System.realloc(ptr, layout, size) };
        };
        let fits = size <= LARGE && at + size <= SIZE;
        if fits && self.end(at + layout.size(), at + size) || size <= layout.size() {
            return ptr;
        }
        // SAFETY: the caller's: with this alignment the size is a valid one. The two do not overlap.
        unsafe {
            let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !to.is_null() {
                to.copy_from_nonoverlapping(ptr, layout.size());
                self.dealloc(ptr, layout);
            }
            to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One that has taken something: what it is filled with, where, how much.
    type Taken = (u8, *mut u8, Layout);

    /// Not by way of the stack, which has no room for it.
    fn empty() -> Box<Arena> {
        // SAFETY: all of it may be 0.
        unsafe { Box::new_zeroed().assume_init() }
    }

    fn is_whole(taken: &Taken) -> bool {
        // SAFETY: it is ours, and was filled.
        unsafe { std::slice::from_raw_parts(taken.1, taken.2.size()) }.iter().all(|b| *b == taken.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn nobody_writes_into_anothers(
            steps in prop::collection::vec((0u8..4, any::<prop::sample::Index>(), prop_oneof![9 => 1usize..3000, 1 => 1usize..300_000], 0u32..13), 1..80),
        ) {
            let arena = empty();
            let mut all: Vec<Taken> = Vec::new();
            for (i, (what, which, size, align)) in steps.into_iter().enumerate() {
                let mark = i as u8 | 1;
                let layout = Layout::from_size_align(size, 1 << align).unwrap();
                // SAFETY: each is given back once, with the layout that it has.
                unsafe {
                    match what {
                        0 | 1 => {
                            let p = if what == 0 { arena.alloc(layout) } else { arena.alloc_zeroed(layout) };
                            prop_assert!(!p.is_null() && p.addr() % layout.align() == 0);
                            prop_assert!(what == 0 || is_whole(&(0, p, layout)));
                            p.write_bytes(mark, size);
                            all.push((mark, p, layout));
                        }
                        2 if !all.is_empty() => {
                            let one = all.swap_remove(which.index(all.len()));
                            prop_assert!(is_whole(&one));
                            arena.dealloc(one.1, one.2);
                        }
                        3 if !all.is_empty() => {
                            let at = which.index(all.len());
                            let (old, p, was) = all[at];
                            let p = arena.realloc(p, was, size);
                            let now = Layout::from_size_align(size, was.align()).unwrap();
                            let kept = Layout::from_size_align(size.min(was.size()), was.align()).unwrap();
                            prop_assert!(is_whole(&(old, p, kept)));
                            p.write_bytes(old, size);
                            all[at] = (old, p, now);
                        }
                        _ => {}
                    }
                }
                prop_assert!(all.iter().all(is_whole));
            }
            // SAFETY: as above.
            all.iter().for_each(|t| unsafe { arena.dealloc(t.1, t.2) });
        }
    }

    #[test]
    fn threads_take_parts_of_their_own() {
        let arena = empty();
        std::thread::scope(|s| {
            for mark in 1..=4u8 {
                let arena = &arena;
                s.spawn(move || {
                    for n in 1..2000usize {
                        let layout = Layout::from_size_align(n % 300 + 1, 8).unwrap();
                        // SAFETY: given back once, as it was taken.
                        unsafe {
                            let p = arena.alloc(layout);
                            p.write_bytes(mark, layout.size());
                            assert!(is_whole(&(mark, p, layout)));
                            arena.dealloc(p, layout);
                        }
                    }
                });
            }
        });
        // What a thread gave back while another one's lay behind it is lost, and no more than that.
        assert!(arena.used.load(Acquire) <= SIZE);
    }
}
