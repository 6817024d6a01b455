//! Forks that began before a moment and may not be over: each thread that was there then is looked at until it was
//! seen outside of a fork. How long a fork takes says nothing: on a busy machine one of a few milliseconds took 600.

use std::collections::HashMap;

use crate::sys::entry::{self, Entry};

/// Ticks (10 ms) of code of its own after which a thread has certainly left the system call that it was in. Two may
/// be counted that were none: the kernel's figures are samples (`kernel/sched/cputime.c:cputime_adjust`).
const OWN_TICKS: u64 = 3;
/// Ticks in all, in the kernel or not: no fork takes half a second of a processor, unless it copies tens of gigabytes.
const ALL_TICKS: u64 = 50;
/// `fork`, `clone`, `vfork` and `clone3` of a 32-bit process (`arch/x86/entry/syscalls/syscall_32.tbl`); ARM has no 190 and the same others.
const FORKS_32: [i64; 4] = [2, 120, 190, 435];
#[cfg(target_arch = "x86_64")]
const FORKS: [i64; 4] = [libc::SYS_fork, libc::SYS_clone, libc::SYS_vfork, libc::SYS_clone3];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: [i64; 2] = [libc::SYS_clone, libc::SYS_clone3];
/// What makes a child. A creator that sleeps below it has none yet; one that waits for a vfork's child is out of it, and its child was
/// decided at its birth (`kernel/fork.c:kernel_clone`).
const MAKES: &str = "copy_process";
/// Where that one sleeps (`_do_fork` before 5.10).
const AFTER_BIRTH: [&str; 3] = ["wait_for_vfork_done", "kernel_clone", "_do_fork"];

/// What one look at a thread said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It is in no fork, or has ended.
    Outside,
    /// It waits in the middle of a fork.
    Inside,
    /// It runs, or is about to: in a fork or not.
    Runs,
}

/// Threads that may be in such a fork, with the processor time (ticks: of their own code, in all) that they had at
/// the first look.
#[derive(Debug, Default)]
pub struct ForkCalls {
    open: HashMap<(u32, u32), (u64, u64)>,
}

impl ForkCalls {
    /// Adds the threads of those processes; true when one of them may be in a fork.
    pub fn add(&mut self, tgids: &[u32]) -> bool {
        let before = self.open.len();
        for &tgid in tgids {
            // A process that cannot be looked at counts as one thread that runs; the next look finds out that one has
            // ended.
            let tids = match Entry::open(tgid).and_then(|e| e.threads()) {
                Ok(tids) => tids,
                Err(e) if entry::over(&e) => continue,
                Err(_) => vec![tgid],
            };
            self.open.extend(tids.into_iter().filter_map(|tid| {
                let (seen, spent) = in_fork(tgid, tid);
                (seen != Seen::Outside).then_some(((tgid, tid), spent))
            }));
        }
        self.open.len() > before
    }

    /// Looks again; true when all were seen outside.
    pub fn over(&mut self) -> bool {
        self.open.retain(|&(tgid, tid), first| {
            let (seen, spent) = in_fork(tgid, tid);
            let ran = |now: u64, then: u64, ticks| now.saturating_sub(then) >= ticks;
            match seen {
                Seen::Outside => false,
                _ => !ran(spent.0, first.0, OWN_TICKS) && !ran(spent.1, first.1, ALL_TICKS),
            }
        });
        self.open.is_empty()
    }
}

/// Whether a thread is in a fork, and its processor time.
fn in_fork(tgid: u32, tid: u32) -> (Seen, (u64, u64)) {
    let entry = Entry::open(tgid).and_then(|e| e.thread(tid));
    let thread = match &entry {
        Ok(t) => t,
        Err(e) if entry::over(e) => return (Seen::Outside, (0, 0)),
        Err(_) => return (Seen::Runs, (0, 0)),
    };
    // Before the state: a thread that is stopped then may have come to that since.
    let call = thread.text("syscall");
    let stat = match thread.stat() {
        Ok(s) => s,
        Err(e) if entry::over(&e) => return (Seen::Outside, (0, 0)),
        Err(_) => return (Seen::Runs, (0, 0)),
    };
    let spent = (stat.utime, stat.utime + stat.stime);
    let seen = match call {
        Err(e) if entry::over(&e) => Seen::Outside,
        Err(_) => Seen::Runs,
        Ok(call) => of(&call, stat.state),
    };
    let after = || after_birth(&thread.text("stack"), &thread.text("wchan"));
    (if seen == Seen::Inside && after() { Seen::Outside } else { seen }, spent)
}

/// Whether one that sleeps in a fork has its child already, by `/proc/PID/task/TID/{stack,wchan}`. The first is the kernel's whole way
/// there, for root where the kernel was built with it. The second is one function only, and before 5.16 it was looked for by frame
/// pointers, which kernels are not built with (`arch/x86/kernel/process.c:get_wchan`): it counts where there is no first.
fn after_birth(stack: &std::io::Result<String>, wchan: &std::io::Result<String>) -> bool {
    match stack {
        Ok(way) if !way.trim().is_empty() => !way.contains(MAKES),
        _ => wchan.as_ref().is_ok_and(|w| AFTER_BIRTH.iter().any(|a| w.starts_with(a))),
    }
}

/// What `/proc/PID/task/TID/syscall` says: `running`, or the number of the call (-1: none), its arguments, and where
/// stack and program are (`fs/proc/base.c:proc_pid_syscall`, `lib/syscall.c`).
fn of(call: &str, state: char) -> Seen {
    let mut words = call.split_ascii_whitespace();
    let Some(number) = words.next().and_then(|n| n.parse::<i64>().ok()) else { return Seen::Runs };
    let address = |w: &str| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok();
    let narrow = words.next_back().and_then(address).is_some_and(|at| at <= u64::from(u32::MAX));
    let forks = if narrow { &FORKS_32[..] } else { &FORKS[..] };
    // A stop comes after the call, or before it began.
    match !matches!(state, 'T' | 't') && forks.contains(&number) {
        true => Seen::Inside,
        false => Seen::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_is_in() {
        let wide = |number: i64| format!("{number} 0x1 0x0 0x0 0x0 0x0 0x0 0x7ffd0e5a9f70 0x7f0d1c0f1f2a\n");
        assert_eq!(of("running\n", 'R'), Seen::Runs);
        assert_eq!(of("", 'R'), Seen::Runs);
        assert_eq!(of(&wide(libc::SYS_clone), 'D'), Seen::Inside);
        assert_eq!(of(&wide(libc::SYS_clone), 'T'), Seen::Outside);
        assert_eq!(of(&wide(libc::SYS_read), 'S'), Seen::Outside);
        assert_eq!(of("-1 0x7ffd0e5a9f70 0x7f0d1c0f1f2a\n", 'D'), Seen::Outside);
        // 120 is clone for a 32-bit process and another call for the rest.
        let narrow = "120 0x1 0x0 0x0 0x0 0x0 0x0 0xffd0e5a0 0xf7f1f2aa\n";
        assert_eq!((of(narrow, 'D'), of(&wide(190), 'S')), (Seen::Inside, Seen::Outside));
    }

    #[test]
    fn one_that_sleeps_in_a_fork() {
        let text = |t: &str| Ok::<_, std::io::Error>(t.to_owned());
        let none = || Err(std::io::Error::from_raw_os_error(libc::EPERM));
        let copies =
            "[<0>] userfaultfd_event_wait_completion+0x1\n[<0>] copy_process+0x1\n[<0>] kernel_clone+0x1\n";
        let waits = "[<0>] wait_for_vfork_done+0x1\n[<0>] kernel_clone+0x1\n";
        // What wchan says of one that copies memory is not believed.
        assert!(!after_birth(&text(copies), &text("kernel_clone")));
        assert!(after_birth(&text(waits), &text("0")));
        for unseen in [none(), text("")] {
            assert!(after_birth(&unseen, &text("kernel_clone")) && !after_birth(&unseen, &text("0")));
        }
    }

    #[test]
    fn threads_that_wait_and_one_that_runs() {
        let me = std::process::id();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            std::thread::sleep(std::time::Duration::from_millis(5));
            let mut calls = ForkCalls::default();
            let open = calls.add(&[me]);
            // It runs code of its own, and that is seen.
            let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while !calls.over() && std::time::Instant::now() < end {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(open && calls.over());
        });
        assert!(!ForkCalls::default().add(&[1 << 30]));
    }
}
