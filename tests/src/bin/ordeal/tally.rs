//! The oracle: counters in a shared mapping, written by those who fork and by nobody else.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Workers at most.
pub const CELLS: usize = 64;

/// What one worker has done, a cache line.
#[repr(C, align(64))]
pub struct Cell {
    /// Forks that gave a child.
    pub forks: AtomicU64,
    /// Threads that were made.
    pub threads: AtomicU64,
    /// Forks and threads that the kernel refused.
    pub refused: AtomicU64,
}

/// The whole of it.
#[repr(C, align(64))]
pub struct Tally {
    /// Forks that were begun.
    begun: AtomicU64,
    /// How many there shall be.
    quota: AtomicU64,
    /// Set when time is up.
    stop: AtomicU64,
    /// One a worker.
    pub cells: [Cell; CELLS],
}

impl Tally {
    /// The mapping of a file, made large enough. It stays mapped.
    pub fn map(path: &Path) -> std::io::Result<&'static Tally> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(size_of::<Tally>() as u64)?;
        // SAFETY: a fresh shared mapping of a file of that size.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Tally>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: page-aligned, as large as a Tally, never unmapped; atomics are valid for any bits.
        Ok(unsafe { &*at.cast::<Tally>() })
    }

    /// Begins a measurement of so many forks.
    pub fn begin(&self, quota: u64) {
        self.quota.store(quota, Ordering::SeqCst);
    }

    /// No more forks.
    pub fn stop(&self) {
        self.stop.store(1, Ordering::SeqCst);
    }

    /// Whether workers go on.
    pub fn going(&self) -> bool {
        self.stop.load(Ordering::Relaxed) == 0
            && self.begun.load(Ordering::Relaxed) < self.quota.load(Ordering::Relaxed)
    }

    /// Takes one fork of the quota; false when there is none left.
    pub fn take(&self) -> bool {
        self.going() && self.begun.fetch_add(1, Ordering::Relaxed) < self.quota.load(Ordering::Relaxed)
    }

    /// Sums: forks, threads, refused.
    pub fn sums(&self) -> (u64, u64, u64) {
        let sum =
            |f: &dyn Fn(&Cell) -> &AtomicU64| self.cells.iter().map(|c| f(c).load(Ordering::SeqCst)).sum();
        (sum(&|c| &c.forks), sum(&|c| &c.threads), sum(&|c| &c.refused))
    }
}

impl Cell {
    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::SeqCst);
    }
}
