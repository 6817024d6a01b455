//! Whether a process can run code of its own: what a freeze waits for.

use killer_common::record::Member;
use procfs::ProcError;

use crate::sys::alive::{Look, look};
use crate::sys::small;

/// What keeps a process from running, or that nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Still {
    /// It has ended.
    Gone,
    /// Every thread is stopped.
    Stopped,
    /// A stop waits for it and some thread sleeps in the kernel, uninterruptibly (a vfork parent, a disk): it stops before
    /// it runs code of its own again.
    Waits,
    /// It runs, or will be woken: the states of its threads; `?` for one that cannot be looked at.
    Runs(String),
}

/// Bit of SIGSTOP in the masks of /proc.
const STOP: u64 = 1 << 18;

/// Looks at the threads of a member.
pub fn of(m: &Member) -> Still {
    let (p, number) = match look(m.tgid, m.leader_start) {
        Look::Here(p, s) => (p, s.num_threads),
        Look::Gone => return Still::Gone,
        Look::Unknown => return Still::Runs("?".into()),
    };
    let (mut stopped, mut asleep, mut running) = (0, 0, String::new());
    let mut listed = 0;
    let threads: Vec<char> = match p.tasks() {
        Ok(tasks) => tasks.inspect(|_| listed += 1).filter_map(|t| state(t.and_then(|t| t.stat()))).collect(),
        Err(e) if over(&e) => return Still::Gone,
        Err(_) => return Still::Runs("?".into()),
    };
    if listed < number {
        // The crate passes over threads that it cannot open. Or some have ended since they were counted: then the next look
        // says so.
        running.push('?');
    }
    for state in threads {
        match state {
            'T' | 't' => stopped += 1,
            'Z' | 'X' | 'x' => {}
            'D' => asleep += 1,
            s => running.push(s),
        }
    }
    match (stopped, asleep) {
        _ if !running.is_empty() => Still::Runs(running),
        (0, 0) => Still::Gone,
        (_, 0) => Still::Stopped,
        // A stop of the group waits for its last thread (kernel/signal.c:do_signal_stop).
        (1.., _) => Still::Waits,
        _ if stop_pending(m.tgid) => Still::Waits,
        _ => Still::Runs("D".into()),
    }
}

/// State of a thread; `None` when it has ended since it was listed.
fn state(seen: Result<procfs::process::Stat, ProcError>) -> Option<char> {
    match seen {
        Ok(s) => Some(s.state),
        Err(e) if over(&e) => None,
        Err(_) => Some('?'),
    }
}

/// True when a file of /proc could not be read because whose it is has ended.
fn over(e: &ProcError) -> bool {
    match e {
        ProcError::NotFound(_) => true,
        ProcError::Io(e, _) => e.raw_os_error() == Some(libc::ESRCH),
        _ => false,
    }
}

fn stop_pending(pid: u32) -> bool {
    small::status(pid).is_some_and(|s| (s.shdpnd | s.sigpnd) & STOP != 0)
}
