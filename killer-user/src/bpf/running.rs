//! What the processes run that were there before a watcher, for those that want to see only some programs.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use killer_common::watch::{Glob, Runs};

use crate::keep::{KeepError, What};
use crate::sys::bpf::{self, Hash};
use crate::sys::clock;
use crate::sys::entry::{self, Entry, over};

/// So often all are looked at: each time those are met whose parent was not known when it forked them.
const ROUNDS: usize = 16;

/// Says what is wanted, before the programs run.
pub(super) fn begin(exe: OwnedFd, runs: OwnedFd, glob: &Glob) -> Result<Hash<Runs, u32>, KeepError> {
    bpf::update(&exe, 0, bytemuck::bytes_of(glob)).what("writing the glob for programs")?;
    Hash::new(runs).what("opening map RUNS")
}

/// Looks at all, once the programs are attached: what they have noted of a process is newer, and stays.
pub(super) fn meet(runs: &Hash<Runs, u32>, glob: &Glob) -> Result<(), KeepError> {
    for _ in 0..ROUNDS {
        let mut new = false;
        for pid in entry::everybody().what("reading /proc")? {
            let Some(start) = wanted(pid, glob) else { continue };
            // A clock of one's own may be off by a part of a tick.
            let shifted = clock::host_ticks(0) != 0;
            for start in [Some(start), (shifted && start > 0).then(|| start - 1)].into_iter().flatten() {
                new |= runs.add(&Runs { tgid: pid, pad: 0, start }, &1).what("noting who runs what")?;
            }
        }
        if !new {
            return Ok(());
        }
    }
    Err(KeepError::Kernel(
        "knowing who runs what: processes are forked faster than they can be looked at".into(),
    ))
}

/// The start of a process whose program is wanted. Nothing is known of one that must not be looked at: rather shown than left out.
fn wanted(pid: u32, glob: &Glob) -> Option<u64> {
    let look = || -> io::Result<Option<u64>> {
        let e = Entry::open(pid)?;
        let start = clock::host_ticks(e.stat()?.starttime);
        Ok(match e.link("exe") {
            Err(e) if over(&e) => None,
            Err(_) => Some(start),
            Ok(path) => {
                let path = path.as_os_str().as_bytes();
                let plain = path.strip_suffix(b" (deleted)").unwrap_or(path);
                (glob.matches(path) || glob.matches(plain)).then_some(start)
            }
        })
    };
    look().ok().flatten()
}
