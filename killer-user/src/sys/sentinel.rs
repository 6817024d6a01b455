//! A process that stands in the launcher's process group and takes nothing: what is sent to the whole group waits
//! there, too. So the launcher can tell what CMD, in the same group, has got itself from what was sent to the
//! launcher alone.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::child;
use super::signals::{self, Likeness, bit};
use super::{descriptors, proc, supervise};

/// So many are told at once; the launcher asks again.
const AT_ONCE: usize = 32;
/// An answer takes no longer, unless somebody has stopped the sentinel.
const PATIENCE: Duration = Duration::from_secs(2);
/// Words of an answer: their number, and what is alike of each.
const WORDS: usize = 1 + AT_ONCE * size_of::<Likeness>() / 4;

/// It goes with the process that has started it.
#[derive(Debug)]
pub(super) struct Sentinel {
    pid: i32,
    owner: u32,
    line: OwnedFd,
}

impl Sentinel {
    /// Starts one. Every signal is held back already, and this process has one thread.
    pub fn start() -> io::Result<Self> {
        let (line, other) = supervise::line()?;
        let owner = std::process::id();
        let Some(pid) = supervise::fork()? else { stand(&other, owner) };
        Ok(Self { pid, owner, line })
    }

    /// Takes what waits there of this signal; `None`: nobody answers.
    pub fn took(&self, signal: i32) -> Option<Vec<Likeness>> {
        rustix::io::write(&self.line, &[signal as u8]).ok()?;
        if !proc::readable(&self.line, PATIENCE) {
            return None;
        }
        let mut words = [0i32; WORDS];
        let n = rustix::io::read(&self.line, bytemuck::bytes_of_mut(&mut words)).ok()?;
        let (count, rest) = words[..n / 4].split_first()?;
        let all = rest.chunks_exact(size_of::<Likeness>() / 4).filter_map(|c| c.try_into().ok());
        Some(all.take(*count as usize).collect())
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // A copy of this process has no part in it.
        if std::process::id() == self.owner {
            child::end(self.pid);
        }
    }
}

/// Its life: answers until the other side is gone.
fn stand(line: &OwnedFd, owner: u32) -> ! {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::thread::set_name(c"killer-sentinel");
    if parent_id() != owner {
        supervise::exit(0);
    }
    descriptors::close_all_but(&[line.as_raw_fd()]);
    descriptors::close_standard();
    let _ = std::env::set_current_dir("/");
    let mut signal = [0u8];
    while let Ok(1) = rustix::io::read(line, &mut signal) {
        let mut words = vec![0i32];
        while words.len() < WORDS
            && let Some(info) = signals::take(bit(i32::from(signal[0])), Some(Duration::ZERO))
        {
            words[0] += 1;
            words.extend(info.likeness());
        }
        if rustix::io::write(line, bytemuck::cast_slice(&words)).is_err() {
            break;
        }
    }
    supervise::exit(0)
}
