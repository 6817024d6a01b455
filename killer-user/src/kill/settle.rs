//! Waiting for "released": what was signalled has ended to its last thread and has let go of files, ports and
//! memory (the exit hook comes before that, so `pop == 0` is not enough; F11).

use std::os::fd::OwnedFd;
use std::time::Duration;

use killer_common::record::Member;

use crate::sys::proc::{self, Ends};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The condition holds.
    Done,
    /// Time ran out.
    TimedOut,
    /// The caller was interrupted (SIGINT, SIGTERM).
    Interrupted(i32),
}

/// Waits on kernel events only until `done` says so. `next` answers what is alive and worth waiting
/// for, `None` when nothing is listed although `done` is not reached (then a short timer stands in).
pub fn until(
    limit: Option<Duration>,
    progress: impl FnMut(),
    mut done: impl FnMut() -> bool,
    mut next: impl FnMut() -> Option<Ends>,
) -> std::io::Result<Waited> {
    if done() {
        return Ok(Waited::Done);
    }
    let mut progress = progress;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let end = limit.map(|l| tokio::time::Instant::now() + l);
        let far = tokio::time::Instant::now() + Duration::from_secs(86400 * 365);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.tick().await;
        loop {
            if done() {
                return Ok(Waited::Done);
            }
            let one = async {
                match next() {
                    Some(fd) => match fd.watch() {
                        Ok(fd) => drop(fd.readable().await),
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    },
                    None => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            };
            tokio::select! {
                () = one => {}
                _ = tick.tick() => progress(),
                () = tokio::time::sleep_until(end.unwrap_or(far)), if end.is_some() => {
                    return Ok(if done() { Waited::Done } else { Waited::TimedOut });
                }
                _ = int.recv() => return Ok(Waited::Interrupted(libc::SIGINT)),
                _ = term.recv() => return Ok(Waited::Interrupted(libc::SIGTERM)),
            }
        }
    })
}

/// Drops what has been released; true when nothing is left.
pub fn released(held: &mut Vec<(Member, OwnedFd)>) -> bool {
    held.retain(|(_, fd)| !proc::pidfd_ended(fd));
    held.is_empty()
}
