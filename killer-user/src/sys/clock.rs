//! The clocks of the host, whatever time namespace this process is in.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What this process's time namespace adds to the host's clocks, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shift {
    monotonic: i64,
    boottime: i64,
}

/// The link to the first time namespace (`include/linux/proc_ns.h`: PROC_TIME_INIT_INO).
const FIRST: &str = "time:[4026531834]";

/// The programs know the host's clocks only: a lease by the clocks of a time namespace (5.6+) would hold for days, or never.
/// `kernel/time/namespace.c:proc_timens_show_offsets` shows those of the namespace for children, which becomes the process's
/// own by a fork, and from 6.0 on by an exec. While it is another one, this process is in the first (a second `unshare`
/// without a fork is not looked into: nothing shows the offsets then).
fn shift() -> Shift {
    static SHIFT: OnceLock<Shift> = OnceLock::new();
    *SHIFT.get_or_init(|| {
        // The first one adds nothing, and its link is read sooner than a file is made.
        if super::entry::link("self/ns/time").is_ok_and(|l| l.as_os_str() == FIRST) {
            return Shift::default();
        }
        let shown = parse_shift(&super::proc_text::text("/proc/self/timens_offsets"));
        let namespace = |name: &str| super::entry::link(&format!("self/ns/{name}")).ok();
        // Asked only where there is something to correct.
        if shown != Shift::default() && namespace("time") != namespace("time_for_children") {
            return Shift::default();
        }
        shown
    })
}

fn parse_shift(text: &str) -> Shift {
    let of = |clock: &str| {
        let words = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
        let mut found = words.filter_map(|w| match w[..] {
            [name, s, ns] if name == clock => {
                Some(s.parse::<i64>().ok()?.wrapping_mul(1_000_000_000) + ns.parse::<i64>().ok()?)
            }
            _ => None,
        });
        found.next().unwrap_or(0)
    };
    Shift { monotonic: of("monotonic"), boottime: of("boottime") }
}

/// By the C library, which finds the kernel's function for it without a system call (vDSO); rustix asks for where that is.
fn now(clock: libc::clockid_t, shift: i64) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live struct. It cannot fail: every kernel has both clocks.
    unsafe { libc::clock_gettime(clock, &raw mut t) };
    (t.tv_sec * 1_000_000_000 + t.tv_nsec - shift) as u64
}

/// Now in ns, the host's `CLOCK_MONOTONIC`: what gate leases are in.
pub fn monotonic_ns() -> u64 {
    now(libc::CLOCK_MONOTONIC, shift().monotonic)
}

/// The host's `CLOCK_BOOTTIME` in ns: what starts are in.
pub fn boottime_ns() -> u64 {
    now(libc::CLOCK_BOOTTIME, shift().boottime)
}

/// `CLOCK_REALTIME` in ns.
pub fn realtime_ns() -> u64 {
    now(libc::CLOCK_REALTIME, 0)
}

/// When the command began; 0: it has not.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// [`boottime_ns`], as this process first asked for it here since the command began.
pub fn began() -> u64 {
    let before = BEGAN.load(Ordering::Relaxed);
    if before != 0 {
        return before;
    }
    let now = boottime_ns();
    match BEGAN.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => now,
        Err(before) => before,
    }
}

/// Another command begins, in the same process.
pub fn begin_anew() {
    BEGAN.store(0, Ordering::Relaxed);
}

/// Nanoseconds in a clock tick of /proc: USER_HZ is 100.
pub const TICK: u64 = 10_000_000;

/// A start as /proc shows it to this process, in clock ticks, by the host's clock.
pub fn host_ticks(ticks: u64) -> u64 {
    ticks.wrapping_add_signed(-(shift().boottime / TICK as i64))
}

#[cfg(test)]
mod tests {
    use super::{Shift, parse_shift};

    #[test]
    fn reads_offsets() {
        let text = "monotonic       86400         5\nboottime          -10         0\n";
        let shift = Shift { monotonic: 86_400_000_000_005, boottime: -10_000_000_000 };
        assert_eq!(parse_shift(text), shift);
        assert_eq!(parse_shift("nonsense"), Shift::default());
    }
}
