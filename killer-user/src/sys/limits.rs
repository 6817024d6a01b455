//! Resource limits of this process.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use super::inherit;

/// Lifts RLIMIT_MEMLOCK, which bounds BPF memory before 5.11 (`kernel/bpf/memalloc`, then memcg accounting).
pub fn lift_memlock() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)?)
}

/// Descriptors that no command needs more of.
const DESCRIPTORS: u64 = 256;

/// Soft and hard limit of open files. Not by rustix, for which this call cannot fail: a filter refuses it.
fn nofile() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// The soft limit of open files as this process has set it for itself; 0: it has not.
static SOFT: AtomicU64 = AtomicU64::new(0);

/// Raises the limit of open files to what any command needs: the soft one as far as the hard one lets it, and with
/// CAP_SYS_RESOURCE that one, too. What is started gets the caller's back.
pub fn make_room() {
    let Some((soft, hard)) = inherit::open_files().or_else(nofile) else { return };
    SOFT.store(soft, Ordering::Relaxed);
    if soft >= DESCRIPTORS {
        return;
    }
    for hard in [hard.max(DESCRIPTORS), hard] {
        if setrlimit(Resource::RLIMIT_NOFILE, hard.min(DESCRIPTORS), hard).is_ok() {
            SOFT.store(hard.min(DESCRIPTORS), Ordering::Relaxed);
            return;
        }
    }
}

/// How many files this process may open.
pub fn descriptors() -> u64 {
    match SOFT.load(Ordering::Relaxed) {
        0 => nofile().map_or(1024, |(soft, _)| soft),
        soft => soft,
    }
}

/// How many descriptors may be held for what is only good to know, so that enough are left for all that is needed.
pub fn spare_descriptors() -> usize {
    (descriptors().saturating_sub(64) / 4).min(256) as usize
}

/// How many descriptors may be held to sleep on, so that enough are left for everything else.
pub fn some_descriptors() -> usize {
    (descriptors().saturating_sub(16) / 4).min(64) as usize
}
