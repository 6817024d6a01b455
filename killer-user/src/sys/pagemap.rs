//! Which pages of a process are there, without touching one: to read a page that is not would make it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// `struct pm_scan_arg` (`include/uapi/linux/fs.h`, 6.7+)
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `PAGEMAP_SCAN`: `_IOWR('f', 16, struct pm_scan_arg)`.
const SCAN: u32 = 3 << 30 | (size_of::<Scan>() as u32) << 16 | 0x66 << 8 | 16;
const FILE: u64 = 1 << 2;
const PRESENT: u64 = 1 << 3;
const SWAPPED: u64 = 1 << 4;
const ZERO: u64 = 1 << 5;
/// Regions that are told at once.
const REGIONS: usize = 1024;

/// Pages that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// First address.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// They are a file's, or shared.
    pub shared: bool,
}

/// The pages of a process.
#[derive(Debug)]
pub struct Pagemap {
    file: File,
    page: u64,
}

impl Pagemap {
    /// Of its open `pagemap`.
    pub fn new(file: OwnedFd) -> Self {
        Self { file: file.into(), page: rustix::param::page_size() as u64 }
    }

    /// Size of a page.
    pub fn page(&self) -> u64 {
        self.page
    }

    /// Calls `found` with the pages of a range that are there, in order, until it answers false.
    pub fn scan(&self, start: u64, end: u64, found: &mut dyn FnMut(Pages) -> bool) -> io::Result<()> {
        match self.by_scan(start, end, found) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {
                self.by_words(start, end, found)
            }
            r => r,
        }
    }

    fn by_scan(&self, start: u64, end: u64, found: &mut dyn FnMut(Pages) -> bool) -> io::Result<()> {
        let mut regions = [Region::default(); REGIONS];
        let mut at = start;
        while at < end {
            let mut s = Scan {
                size: size_of::<Scan>() as u64,
                start: at,
                end,
                vec: regions.as_mut_ptr() as u64,
                vec_len: REGIONS as u64,
                category_inverted: ZERO,
                category_mask: ZERO,
                category_anyof_mask: PRESENT | SWAPPED,
                return_mask: FILE,
                ..Scan::default()
            };
            // SAFETY: a live struct of the size that it says, which names a live array of the length that it says.
            let n = unsafe { libc::ioctl(self.file.as_raw_fd(), SCAN as _, &raw mut s) };
            if n < 0 {
                return Err(io::Error::last_os_error());
            }
            for r in &regions[..(n as usize).min(REGIONS)] {
                if !found(Pages { start: r.start, end: r.end, shared: r.categories & FILE != 0 }) {
                    return Ok(());
                }
            }
            if s.walk_end <= at {
                return Ok(());
            }
            at = s.walk_end;
        }
        Ok(())
    }

    /// Word by word (`Documentation/admin-guide/mm/pagemap.rst`).
    fn by_words(&self, start: u64, end: u64, found: &mut dyn FnMut(Pages) -> bool) -> io::Result<()> {
        const WORDS: usize = 1 << 16;
        let mut bytes = vec![0u8; WORDS * 8];
        let mut at = start;
        while at < end {
            let want = usize::try_from((end - at) / self.page).unwrap_or(WORDS).clamp(1, WORDS);
            let got = self.file.read_at(&mut bytes[..want * 8], at / self.page * 8)? / 8;
            if got == 0 {
                return Ok(());
            }
            for word in bytes[..got * 8].chunks_exact(8) {
                let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
                let shared = word & 1 << 61 != 0;
                if word >> 62 != 0 && !found(Pages { start: at, end: at + self.page, shared }) {
                    return Ok(());
                }
                at += self.page;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_say_the_same() {
        let page = rustix::param::page_size();
        let mut own = vec![0u8; 64 * page];
        let base = (own.as_ptr() as usize).next_multiple_of(page);
        let skip = base - own.as_ptr() as usize;
        for n in [3usize, 4, 9] {
            own[skip + n * page] = 1;
        }
        let file = || std::fs::File::open("/proc/self/pagemap").expect("pagemap").into();
        let p = Pagemap::new(file());
        let (start, end) = (base as u64, (base + 32 * page) as u64);
        let (mut words, mut scan) = (Vec::new(), Vec::new());
        let numbers = |p: Pages| (p.start..p.end).step_by(page).map(move |a| (a as usize - base) / page);
        p.by_words(start, end, &mut |p| {
            words.extend(numbers(p));
            true
        })
        .expect("words");
        assert!([3, 4, 9].iter().all(|n| words.contains(n)), "{words:?}");
        let scanned = p.by_scan(start, end, &mut |p| {
            scan.extend(numbers(p));
            true
        });
        match scanned {
            Ok(()) => assert!([3, 4, 9].iter().all(|n| scan.contains(n)), "{scan:?}"),
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::ENOTTY)),
        }
    }
}
