//! Whether PID 1 waits for the orphans that come to it: a `sleep`, or a program that is no init, may not.

use std::time::Duration;

use super::entry::{self, Entry};
use super::{clock, proc_text};

/// A PID 1 that waits at all has waited by then, in all likelihood.
pub const PATIENCE: Duration = Duration::from_secs(5);
const LOOKS: u32 = 50;

/// Dead children of PID 1 that it has not waited for within [`PATIENCE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreaped {
    /// All.
    pub all: usize,
    /// Those of this program; where there are none nobody has looked for others.
    pub ours: usize,
}

/// Dead children of PID 1: number and start, and whether it is one of this program's.
fn dead() -> Vec<(u32, u64, bool)> {
    let one = |pid: u32| {
        let s = Entry::open(pid).and_then(|e| e.stat()).ok()?;
        let dead = matches!(s.state, 'Z' | 'X') && s.num_threads <= 1 && s.ppid == 1;
        dead.then(|| (pid, clock::host_ticks(s.starttime), proc_text::name(pid).starts_with(b"killer")))
    };
    entry::everybody().unwrap_or_default().into_iter().filter_map(one).collect()
}

/// Looks again and again, while somebody of this program's lies there.
pub fn unreaped() -> Unreaped {
    let mut still = dead();
    for _ in 0..LOOKS {
        if !still.iter().any(|d| d.2) {
            return Unreaped::default();
        }
        std::thread::sleep(PATIENCE / LOOKS);
        let now = dead();
        still.retain(|d| now.contains(d));
    }
    Unreaped { all: still.len(), ours: still.iter().filter(|d| d.2).count() }
}
