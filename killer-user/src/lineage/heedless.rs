//! Whether a parent goes through its children each time that one of them ends.

use killer_common::record::Member;
use procfs::process::Stat;

use crate::sys::alive::{Look, look};

/// Bit of SIGCHLD in the masks of /proc.
const CHILD: u64 = 1 << (libc::SIGCHLD - 1);

/// True when it does not, as far as can be seen: its only thread sleeps or is stopped, it does not wait for children, and SIGCHLD runs
/// nothing of it. A look only, which may be over as soon as it was made. `/proc/PID/syscall` needs the right to trace it
/// (`fs/proc/base.c:proc_pid_syscall`); without that nothing is seen.
pub fn heedless(m: &Member) -> bool {
    let Look::Here(entry, stat) = look(m.tgid, m.leader_start) else { return false };
    hears_nothing(&stat) && entry.text("syscall").is_ok_and(|s| sleeps_elsewhere(&s))
}

/// SIGCHLD is neither caught nor blocked: a blocked one may be waited for, or read from a signalfd.
fn hears_nothing(s: &Stat) -> bool {
    matches!(s.state, 'S' | 'T') && s.num_threads == 1 && (s.sigcatch | s.blocked) & CHILD == 0
}

/// The number of the system call that it is in comes first; `-1` and `running` are none.
fn sleeps_elsewhere(syscall: &str) -> bool {
    let call = syscall.split_ascii_whitespace().next().and_then(|n| n.parse::<i64>().ok());
    call.is_some_and(|n| n >= 0 && ![libc::SYS_wait4, libc::SYS_waitid].contains(&n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_from_another_sleep() {
        let of = |call: i64| sleeps_elsewhere(&format!("{call} 0x0 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f01\n"));
        assert!(of(libc::SYS_ppoll));
        assert!(!of(libc::SYS_wait4) && !of(libc::SYS_waitid) && !of(-1));
        assert!(!sleeps_elsewhere("running\n") && !sleeps_elsewhere(""));
    }

    /// This one runs, and there are several threads.
    #[test]
    fn oneself_is_not() {
        let me = std::process::id();
        assert!(!heedless(&Member { tgid: me, ..Member::default() }));
        assert!(!heedless(&Member { tgid: 1 << 30, ..Member::default() }));
    }
}
