//! Whether a process can run code of its own: what a freeze waits for.

use killer_common::record::Member;
use procfs::process::Stat;

use crate::sys::alive::{Look, look};
use crate::sys::entry::{self, Entry};

/// What keeps a process from running, or that nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Still {
    /// It has ended.
    Gone,
    /// Every thread is stopped.
    Stopped,
    /// A stop waits for it and some thread sleeps in the kernel, uninterruptibly (a vfork parent, a disk): it stops,
    /// or ends, before it runs code of its own again.
    Waits,
    /// It runs, or will be woken: the states of its threads.
    Runs(String),
    /// All that are not stopped sleep in the kernel, uninterruptibly, and may run code of their own when they wake.
    Asleep,
    /// It is there and cannot be looked at.
    Unknown,
}

/// Bits of SIGSTOP and SIGKILL in the masks of /proc.
const STOP: u64 = 1 << 18;
const KILL: u64 = 1 << 8;
/// `PF_EXITING`: no code of its own will run in it again.
const EXITING: u32 = 4;

/// How the threads of a process were seen.
#[derive(Default)]
struct Threads {
    stopped: usize,
    /// Asleep, uninterruptibly, and what waits for it comes first.
    held: usize,
    /// The same, while what waits may be taken by another thread.
    asleep: usize,
    /// The same, and nothing waits for it.
    free: usize,
    running: String,
    /// Could not be looked at.
    unknown: usize,
}

/// Looks at the threads of a member.
pub fn of(m: &Member) -> Still {
    let (e, number) = match look(m.tgid, m.leader_start) {
        Look::Here(e, s) => (e, s.num_threads as usize),
        Look::Gone => return Still::Gone,
        Look::Unknown => return Still::Unknown,
    };
    let tids = match e.threads() {
        Ok(tids) => tids,
        Err(e) if entry::over(&e) => return Still::Gone,
        Err(_) => return Still::Unknown,
    };
    // Some have ended since they were counted: then the next look says so.
    let mut seen = Threads { unknown: usize::from(tids.len() < number), ..Threads::default() };
    for tid in tids {
        match e.thread(tid).and_then(|t| t.stat().map(|s| (t, s))) {
            Ok((t, s)) => seen.add(&t, &s),
            Err(e) if entry::over(&e) => {}
            Err(_) => seen.unknown += 1,
        }
    }
    seen.word()
}

impl Threads {
    fn add(&mut self, t: &Entry, s: &Stat) {
        match s.state {
            'T' | 't' => self.stopped += 1,
            'Z' | 'X' | 'x' => {}
            _ if s.flags & EXITING != 0 => {}
            'D' => match waiting(t) {
                // What is the thread's own comes first; what is the group's may be taken by another.
                Some((own, _)) if own & (STOP | KILL) != 0 => self.held += 1,
                Some((_, group)) if group & (STOP | KILL) != 0 => self.asleep += 1,
                _ => self.free += 1,
            },
            state => self.running.push(state),
        }
    }

    fn word(self) -> Still {
        match self {
            Threads { running, .. } if !running.is_empty() => Still::Runs(running),
            Threads { unknown: 1.., .. } => Still::Unknown,
            // A stop of the group waits for its last thread (kernel/signal.c:do_signal_stop).
            Threads { stopped: 1.., held: 0, asleep: 0, free: 0, .. } => Still::Stopped,
            Threads { stopped: 1.., .. } => Still::Waits,
            Threads { held: 0, asleep: 0, free: 0, .. } => Still::Gone,
            // The only one takes what is the group's.
            Threads { asleep: 0, free: 0, .. } | Threads { held: 0, asleep: 1, free: 0, .. } => Still::Waits,
            // The thread that was given the stop may wake last, and the others run until then
            // (kernel/signal.c:complete_signal).
            _ => Still::Asleep,
        }
    }
}

/// Signals that wait for a thread, and for its group.
fn waiting(t: &Entry) -> Option<(u64, u64)> {
    t.status().ok().map(|s| (s.sigpnd, s.shdpnd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stopped: usize, held: usize, asleep: usize, free: usize) -> Still {
        Threads { stopped, held, asleep, free, ..Threads::default() }.word()
    }

    #[test]
    fn who_can_run() {
        assert_eq!(seen(0, 0, 0, 0), Still::Gone);
        assert_eq!(seen(2, 0, 0, 0), Still::Stopped);
        assert_eq!(seen(1, 0, 2, 1), Still::Waits);
        assert_eq!(seen(0, 3, 0, 0), Still::Waits);
        assert_eq!(seen(0, 0, 1, 0), Still::Waits);
        assert_eq!(seen(0, 0, 2, 0), Still::Asleep);
        assert_eq!(seen(0, 1, 1, 0), Still::Asleep);
        assert_eq!(seen(0, 0, 0, 1), Still::Asleep);
        let running = Threads { stopped: 3, running: "RS".into(), unknown: 1, ..Threads::default() };
        assert_eq!(running.word(), Still::Runs("RS".into()));
        assert_eq!(Threads { stopped: 3, unknown: 1, ..Threads::default() }.word(), Still::Unknown);
    }
}
