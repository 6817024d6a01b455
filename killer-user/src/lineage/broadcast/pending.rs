//! Whether a signal still waits for a process, as /proc has it.

use crate::sys::entry::Entry;
use crate::sys::{proc, proc_text};

/// Whether a signal that was sent has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// By everybody.
    No,
    /// It waits for a process that blocks it, is stopped, or sleeps uninterruptibly (a vfork parent, whose child is
    /// there; a disk): hardly in the middle of a fork that would be over soon.
    Held,
    /// It waits for a process that will take it when it runs, and may be in the middle of a fork.
    Soon,
}

/// True while a signal waits for a process or its main thread, also as far as anybody knows.
pub fn pending(pid: u32, signal: i32) -> bool {
    let status = proc_text::text(&format!("/proc/{pid}/status"));
    let unknown = status.is_empty() && proc::exists(pid);
    unknown || has(&status, "SigPnd:", signal) || has(&status, "ShdPnd:", signal)
}

/// How a signal waits for a process.
pub fn waits(pid: u32, signal: i32) -> Pending {
    let status = proc_text::text(&format!("/proc/{pid}/status"));
    if status.is_empty() {
        return if proc::exists(pid) { Pending::Soon } else { Pending::No };
    }
    if !has(&status, "SigPnd:", signal) && !has(&status, "ShdPnd:", signal) {
        return Pending::No;
    }
    let takes = |status: &str| {
        let state = status.lines().find_map(|l| l.strip_prefix("State:")).unwrap_or_default();
        !state.trim_start().starts_with(['T', 't', 'D', 'Z', 'X']) && !has(status, "SigBlk:", signal)
    };
    // Any thread may take it.
    let Ok(threads) = Entry::open(pid).and_then(|e| e.threads()) else { return Pending::Soon };
    match threads.iter().any(|t| takes(&proc_text::text(&format!("/proc/{pid}/task/{t}/status")))) {
        true => Pending::Soon,
        false => Pending::Held,
    }
}

/// True when a mask of a status file has the signal.
fn has(status: &str, mask: &str, signal: i32) -> bool {
    let hex = status.lines().find_map(|l| l.strip_prefix(mask));
    let set = hex.and_then(|h| u64::from_str_radix(h.trim(), 16).ok()).unwrap_or(0);
    set & 1 << ((signal - 1) & 63) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};

    #[test]
    fn a_stopped_process_holds_its_signals() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        let pid = Pid::from_child(&child);
        let send = |signal| kill_process(pid, signal).expect("an own child");
        assert_eq!(waits(child.id(), 15), Pending::No);
        send(Signal::STOP);
        while !proc_text::text(&format!("/proc/{}/status", child.id())).contains("State:\tT") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        send(Signal::TERM);
        assert_eq!((waits(child.id(), 15), pending(child.id(), 15)), (Pending::Held, true));
        assert_eq!(waits(child.id(), 1), Pending::No);
        send(Signal::CONT);
        let _ = child.wait();
        assert_eq!(waits(child.id(), 15), Pending::No);
    }
}
