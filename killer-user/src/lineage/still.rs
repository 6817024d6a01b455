//! Whether a process can run code of its own: what a freeze waits for.

use killer_common::record::Member;
use procfs::process::Process;

use crate::target::process::same_start;

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
    /// It runs, or will be woken: the states of its threads.
    Runs(String),
}

/// Bit of SIGSTOP in the masks of /proc.
const STOP: u64 = 1 << 18;

/// Looks at the threads of a member.
pub fn of(m: &Member) -> Still {
    let Some(p) = ours(m) else { return Still::Gone };
    let (mut stopped, mut asleep, mut running) = (0, 0, String::new());
    let threads: Vec<char> = match p.tasks() {
        Ok(tasks) => tasks.flatten().filter_map(|t| t.stat().ok()).map(|s| s.state).collect(),
        Err(_) => return Still::Gone,
    };
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
        _ if stop_pending(&p) => Still::Waits,
        _ => Still::Runs("D".into()),
    }
}

fn ours(m: &Member) -> Option<Process> {
    let p = Process::new(m.tgid as i32).ok()?;
    same_start(p.stat().ok()?.starttime, m.leader_start).then_some(p)
}

fn stop_pending(p: &Process) -> bool {
    p.status().is_ok_and(|s| (s.shdpnd | s.sigpnd) & STOP != 0)
}
