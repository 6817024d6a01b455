//! Random bytes for hash seeds, also where the kernel has none yet: early boot, before 3.17, behind a filter, without
//! /dev.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the standard library, and every crate of this program, calls for random bytes. The library's own way out,
/// where the kernel has none, is a descriptor of /dev/urandom that it keeps: a process that closes all descriptors
/// and goes on (a supervisor, a keeper) closes that one, too, and the next thread's first hash map aborts. The
/// library looks the name up as a weak symbol, so that a program can have one of its own
/// (`library/std/src/sys/random/linux.rs`).
///
/// Nothing here is a secret: what is seeded are hash maps and the order of an async runtime's branches.
///
/// # Safety
/// `buffer` holds `length` bytes that can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(
    buffer: *mut libc::c_void,
    length: libc::size_t,
    flags: libc::c_uint,
) -> libc::ssize_t {
    // SAFETY: the caller's buffer and its length.
    let n = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
    // SAFETY: errno of this thread.
    let error = unsafe { *libc::__errno_location() };
    // GRND_INSECURE came with 5.6; the caller asks again without it.
    if n >= 0 || !matches!(error, libc::EAGAIN | libc::ENOSYS | libc::EPERM) {
        return n as libc::ssize_t;
    }
    // SAFETY: `length` bytes at `buffer` are the caller's, and no value of a byte is invalid.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<std::mem::MaybeUninit<u8>>(), length) };
    let mut seed = device().unwrap_or_else(own);
    for b in bytes {
        seed = mix(seed);
        b.write(seed as u8);
    }
    length as libc::ssize_t
}

/// A word of /dev/urandom, which answers early, too; the descriptor is closed again.
fn device() -> Option<u64> {
    let mut word = 0u64;
    // SAFETY: a literal path, a descriptor of our own, and 8 live bytes.
    unsafe {
        let fd = libc::open(c"/dev/urandom".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let n = libc::read(fd, (&raw mut word).cast(), 8);
        libc::close(fd);
        (n == 8).then_some(word)
    }
}

/// What differs from process to process and from call to call: the kernel's 16 random bytes of this exec
/// (`AT_RANDOM`), the clock, the number.
fn own() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let mut seed = CALLS.fetch_add(1, Ordering::Relaxed) ^ u64::from(std::process::id()) << 32;
    // SAFETY: the auxiliary vector's AT_RANDOM is 0 or the address of 16 bytes that stay; now is live.
    unsafe {
        let at = libc::getauxval(libc::AT_RANDOM) as *const u64;
        if !at.is_null() {
            seed ^= mix(at.read_unaligned());
        }
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        seed ^= mix((now.tv_sec as u64) << 30 ^ now.tv_nsec as u64);
    }
    seed
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_differ() {
        assert_ne!(own(), own());
        assert!(device().is_none_or(|a| Some(a) != device()));
        let mut bytes = [0u8; 32];
        // SAFETY: 32 live bytes.
        let n = unsafe { getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        assert_eq!(n, 32);
        assert_ne!(bytes, [0; 32]);
    }
}
