//! The sweeper's own place among the tasks that it is to end.

/// While it lives, this thread runs before every ordinary task, so that hundreds of forkers cannot keep it from its
/// next signal (SCHED_FIFO, the lowest real-time priority). Without CAP_SYS_NICE nothing changes.
#[derive(Debug)]
pub struct Hurry {
    old: Option<(i32, Param)>,
}

/// `struct sched_param` (include/uapi/linux/sched/types.h): the priority.
#[derive(Debug)]
#[repr(C)]
struct Param(i32);

/// The system call itself: musl's function of that name answers ENOSYS.
fn set(policy: i32, param: Param) -> bool {
    // SAFETY: numbers and a struct of the kernel's that lives through the call; pid 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const param) == 0 }
}

impl Hurry {
    /// Begins.
    pub fn start() -> Self {
        let mut old = Param(0);
        // SAFETY: numbers and a struct of the kernel's that lives through the calls; pid 0 is this thread.
        let policy = unsafe {
            let policy = libc::syscall(libc::SYS_sched_getscheduler, 0);
            if policy < 0 || libc::syscall(libc::SYS_sched_getparam, 0, &raw mut old) != 0 {
                return Self { old: None };
            }
            policy as i32
        };
        Self { old: set(libc::SCHED_FIFO, Param(1)).then_some((policy, old)) }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        if let Some((policy, param)) = self.old.take() {
            set(policy, param);
        }
    }
}

/// SIGHUP no longer ends this process: what it is about to end may be its session.
pub fn ignore_hangup() {
    // SAFETY: sets a disposition of this process; no handler is installed.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}
