//! Limits of this process.

use std::io;

/// Lifts RLIMIT_MEMLOCK, which bounds BPF memory before 5.11 (`kernel/bpf/memalloc`, then memcg accounting).
pub fn lift_memlock() -> io::Result<()> {
    let l = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: l is a live rlimit.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &l) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Raises the soft limit of open files to the hard one; answers the limit that holds.
pub fn raise_nofile() -> u64 {
    let mut l = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: l is a live rlimit for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut l) != 0 {
            return 1024;
        }
        let want = libc::rlimit { rlim_cur: l.rlim_max, rlim_max: l.rlim_max };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &want) == 0 { l.rlim_max } else { l.rlim_cur }
    }
}

/// Now in ns, `CLOCK_MONOTONIC`: what gate leases are in.
pub fn monotonic_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// `CLOCK_BOOTTIME` in ns: what starts are in.
pub fn boottime_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
