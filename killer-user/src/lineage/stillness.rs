//! Whether a process can run code of its own: what a freeze waits for.

use killer_common::record::Member;
use killer_common::states::Thread;

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

/// Looks at these members, by what the kernel has told of threads; those of which it has not told everything are looked at in /proc.
pub fn of(members: &[Member], mut told: Vec<Thread>) -> Vec<Still> {
    told.sort_unstable_by_key(|t| t.tgid);
    let looked = members.iter().map(|m| {
        let at = told.partition_point(|t| t.tgid < m.tgid);
        by_records(m, told[at..].iter().take_while(|t| t.tgid == m.tgid)).unwrap_or_else(|| by_proc(m))
    });
    looked.collect()
}

/// By records of a process with that number; `None`: they are not of all its threads.
fn by_records<'a>(m: &Member, records: impl Iterator<Item = &'a Thread>) -> Option<Still> {
    let (mut seen, mut came, mut there) = (Threads::default(), 0, 1);
    for t in records.filter(|t| t.start == m.leader_start) {
        (came, there) = (came + 1, there.max(t.threads));
        seen.add(t.letter(), t.flags, || Some((t.own, t.group)));
    }
    // Some may have ended since they were counted: then the next look says so.
    (came >= there).then(|| seen.word())
}

/// By /proc.
fn by_proc(m: &Member) -> Still {
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
    // As above.
    let mut seen = Threads { unknown: usize::from(tids.len() < number), ..Threads::default() };
    for tid in tids {
        match e.thread(tid).and_then(|t| t.stat().map(|s| (t, s))) {
            Ok((t, s)) => seen.add(s.state, s.flags, || waiting(&t)),
            Err(e) if entry::over(&e) => {}
            Err(_) => seen.unknown += 1,
        }
    }
    seen.word()
}

impl Threads {
    /// Adds one by its letter and flags; `waiting`: what waits for it and for its group.
    fn add(&mut self, state: char, flags: u32, waiting: impl FnOnce() -> Option<(u64, u64)>) {
        match state {
            'T' | 't' => self.stopped += 1,
            'Z' | 'X' | 'x' => {}
            _ if flags & EXITING != 0 => {}
            'D' => match waiting() {
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
    use proptest::prelude::*;

    const TGID: u32 = 7;
    const START: u64 = 5;

    fn member() -> Member {
        Member { tgid: TGID, leader_start: START, ..Member::default() }
    }

    fn thread() -> impl Strategy<Value = Thread> {
        let states = prop::sample::select(vec![0, 1, 2, 0x104, 0x108, 0x402, 0x80, 0x200, 0x8000]);
        let exits = prop::sample::select(vec![0, 0, 0, 0x10, 0x20]);
        let masks = prop::sample::select(vec![0, STOP, KILL, 1]);
        let flags = prop::sample::select(vec![0, 0, EXITING]);
        (states, exits, masks.clone(), masks, flags).prop_map(|(state, exit_state, own, group, flags)| {
            Thread { start: START, own, group, tgid: TGID, state, exit_state, flags, ..Thread::default() }
        })
    }

    proptest! {
        /// Of records among those of others: all of a process's say what its threads say; while one is missing nothing is said.
        #[test]
        fn a_thread_that_is_not_told_of_is_never_still(
            its in prop::collection::vec(thread(), 1..6),
            others in prop::collection::vec((thread(), 5u32..9, 4u64..7), 0..6),
            missing in 0usize..3,
        ) {
            let mut said = Threads::default();
            its.iter().for_each(|t| said.add(t.letter(), t.flags, || Some((t.own, t.group))));
            let threads = (its.len() + missing) as u32;
            let others = others.into_iter().map(|(t, tgid, start)| Thread { tgid, start, ..t });
            let others = others.filter(|t| (t.tgid, t.start) != (TGID, START));
            let mut told: Vec<Thread> = its.iter().map(|t| Thread { threads, ..*t }).chain(others).collect();
            told.sort_by_key(|t| t.tgid);
            let at = told.partition_point(|t| t.tgid < TGID);
            let records = told[at..].iter().take_while(|t| t.tgid == TGID);
            prop_assert_eq!(by_records(&member(), records), (missing == 0).then(|| said.word()));
        }
    }

    #[test]
    fn nobody_is_told_of() {
        assert_eq!(by_records(&member(), [].iter()), None);
        // Nobody has that number here: /proc says so.
        let nobody = Member { tgid: 1 << 30, ..member() };
        assert_eq!(of(&[nobody], vec![Thread { tgid: TGID, ..Thread::default() }]), [Still::Gone]);
    }

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
