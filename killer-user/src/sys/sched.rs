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

/// The first 48 bytes of `struct sched_attr` (include/uapi/linux/sched/types.h): what it had at first.
#[derive(Debug, Default)]
#[repr(C)]
struct Attr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    deadline: [u64; 3],
}

impl Hurry {
    /// Begins.
    pub fn start() -> Self {
        let mut old = Attr::default();
        // SAFETY: numbers and a struct of the kernel's, which writes no more than its size (3.14+); pid 0 is this thread.
        let got = unsafe {
            libc::syscall(libc::SYS_sched_getattr, 0, &raw mut old, size_of::<Attr>() as u32, 0) == 0
        };
        let old = got.then_some((old.policy as i32, Param(old.priority as i32)));
        Self { old: old.filter(|_| set(libc::SCHED_FIFO, Param(1))) }
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
