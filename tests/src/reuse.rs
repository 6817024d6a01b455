//! Trackers that are used again. To load one takes the kernel's verifier more than a second of CPU time; most tests need a
//! tracker, and few need a new one.
//!
//! A tracker that waits for its next test lies below `killer-test-OWNER-idle-N` in bpffs. To take it is to rename its
//! directory, which succeeds once, whoever else wants it. The owner is the process that `KILLER_TESTS_OWNER` names, else
//! the test process; at its end the owner removes what waits, and after a crash the next test process does.

use crate::bpf::{Objects, Pins};
use crate::process::eventually;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::env::BPFFS;

static NEXT: AtomicU32 = AtomicU32::new(0);

fn owner() -> u32 {
    let named = std::env::var("KILLER_TESTS_OWNER").ok().and_then(|o| o.parse().ok());
    named.unwrap_or_else(std::process::id)
}

/// How the names of this owner's idle trackers begin.
fn prefix(owner: u32) -> String {
    format!("killer-test-{owner}-idle-")
}

/// The idle trackers of this owner.
fn idle(owner: u32) -> Vec<PathBuf> {
    let ours = |name: OsString| name.to_string_lossy().starts_with(&prefix(owner));
    let entries = std::fs::read_dir(BPFFS).into_iter().flatten().flatten();
    entries.filter(|e| ours(e.file_name())).map(|e| e.path()).collect()
}

/// Whether trackers are used again here: not where the caller has chosen what keeps the sets.
pub fn wanted() -> bool {
    ["KILLER_TIER", "KILLER_TESTS_ANY_TIER", "KILLER_TESTS_NEW"].iter().all(|v| std::env::var_os(v).is_none())
}

/// Moves an idle tracker to `root`, if there is one.
pub fn take(root: &Path) -> bool {
    for from in idle(owner()) {
        if std::fs::rename(from, root).is_err() {
            continue;
        }
        // Hooks may have been skipped while it waited.
        if is_as_new(&Objects::new(root)) {
            return true;
        }
        let _ = std::fs::remove_dir_all(root);
    }
    false
}

/// What the tracker below `root` consists of; `None` where it needs a process besides its pins.
pub fn parts(root: &Path) -> Option<Pins> {
    let pins = Objects::new(root).pins();
    let whole = !pins.ids.maps.is_empty() && !pins.ids.programs.is_empty() && !pins.ids.links.is_empty();
    (whole && pins.names.iter().any(|n| n.starts_with("links"))).then_some(pins)
}

/// Lets the tracker below `root` wait for the next test when it still consists of `parts` and nothing of a service is left
/// in it; whether it does.
pub fn give_back(root: &Path, parts: &Pins) -> bool {
    let objects = Objects::new(root);
    objects.forget_states();
    if !eventually(Duration::from_millis(900), || is_as_new(&objects)) || objects.pins() != *parts {
        return false;
    }
    let owner = owner();
    if owner == std::process::id() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: registers a function that is there as long as the program.
            let _ = unsafe { libc::atexit(at_exit) };
        });
    }
    // Distinct for all processes of an owner.
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}{}-{n}", prefix(owner), std::process::id());
    std::fs::rename(root, Path::new(BPFFS).join(name)).is_ok()
}

/// No entry, count, mark, gate or ancestor is left, no hook was ever skipped, and no mode that outlasts a command is on.
fn is_as_new(objects: &Objects) -> bool {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
    let quiet = |g: killer_common::record::Global| {
        let over = g.adopt_until <= now && g.log_until <= now;
        over && [g.ancestors, g.marks, g.misses_noted, g.edge_errors].iter().all(|n| *n == 0)
    };
    objects.roots() == 0
        && objects.skipped() == 0
        && objects.global().is_some_and(quiet)
        && objects.residue().is_empty()
}

extern "C" fn at_exit() {
    for root in idle(std::process::id()) {
        let _ = std::fs::remove_dir_all(root);
    }
}
