//! The sweeper's own place among the tasks that it is to end.

/// While it lives, this thread runs before every ordinary task, so that hundreds of forkers cannot keep it from its
/// next signal (SCHED_FIFO, the lowest real-time priority). Without CAP_SYS_NICE nothing changes.
#[derive(Debug)]
pub struct Hurry {
    old: Option<(i32, libc::sched_param)>,
}

impl Hurry {
    /// Begins.
    pub fn start() -> Self {
        // SAFETY: plain structs that live through the calls; pid 0 is this thread.
        unsafe {
            let policy = libc::sched_getscheduler(0);
            let mut old: libc::sched_param = std::mem::zeroed();
            if policy < 0 || libc::sched_getparam(0, &mut old) != 0 {
                return Self { old: None };
            }
            let mut new: libc::sched_param = std::mem::zeroed();
            new.sched_priority = 1;
            let done = libc::sched_setscheduler(0, libc::SCHED_FIFO, &new) == 0;
            Self { old: done.then_some((policy, old)) }
        }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        if let Some((policy, param)) = &self.old {
            // SAFETY: as above.
            unsafe {
                libc::sched_setscheduler(0, *policy, param);
            }
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
