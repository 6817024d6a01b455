//! What every behaviour needs: the two pipes, the deadline, and children.

use std::ffi::{CString, c_int};
use std::os::fd::RawFd;

/// The three things that every process of an adversary knows.
#[derive(Clone, Copy)]
pub struct Ctx {
    /// Write end of the liveness pipe; never closed by anyone here.
    pub live: RawFd,
    /// Where the shape is announced.
    pub ready: RawFd,
    /// Second of `CLOCK_MONOTONIC` after which everybody ends.
    pub deadline: i64,
}

impl Ctx {
    /// Reads `argv`; what follows the fixed arguments comes back untouched.
    pub fn parse(args: &[String]) -> Option<(Ctx, &[String])> {
        let live = args.get(2)?.parse().ok()?;
        let ready = args.get(3)?.parse().ok()?;
        let deadline = args.get(4)?.parse().ok()?;
        Some((Ctx { live, ready, deadline }, &args[5..]))
    }

    /// The argument vector that makes the same program behave as `behaviour`.
    pub fn argv(&self, behaviour: &str) -> Vec<CString> {
        ["adversary", behaviour, &self.live.to_string(), &self.ready.to_string(), &self.deadline.to_string()]
            .iter()
            .map(|a| CString::new(*a).expect("no NUL in our own arguments"))
            .collect()
    }

    fn say(&self, line: &str) {
        let line = format!("{}\n", line.replace('\n', " "));
        // SAFETY: the buffer lives across the call; a line below PIPE_BUF is written in one piece.
        unsafe { libc::write(self.ready, line.as_ptr().cast(), line.len()) };
    }

    /// The shape stands; `facts` is for the test to read.
    pub fn ready(&self, facts: &str) {
        self.say(&format!("ready {facts}"));
    }

    /// The kernel or the privileges lack something: the test is to skip, with this reason.
    pub fn skip(&self, reason: &str) -> ! {
        self.say(&format!("skip {reason}"));
        exit(77)
    }

    /// The shape could not be made though it should: the test is to fail.
    pub fn fail(&self, reason: &str) -> ! {
        self.say(&format!("fail {reason}: {}", std::io::Error::last_os_error()));
        exit(70)
    }

    /// Milliseconds that are left before the deadline.
    pub fn left_ms(&self) -> i64 {
        (self.deadline * 1000 - now_ms()).max(0)
    }

    /// Whether the deadline is over.
    pub fn over(&self) -> bool {
        self.left_ms() == 0
    }

    /// Does nothing until the deadline, then ends. Signals that are handled do not end it early.
    pub fn hold(&self) -> ! {
        while !self.over() {
            // SAFETY: no descriptors are passed; poll only waits.
            unsafe { libc::poll(std::ptr::null_mut(), 0, self.left_ms().min(60_000) as c_int) };
        }
        exit(0)
    }

    /// Forks a child that runs `body` and ends with 0; the parent gets its PID.
    pub fn child(&self, body: impl FnOnce()) -> libc::pid_t {
        match self.try_child(body) {
            Some(pid) => pid,
            None => self.fail("fork"),
        }
    }

    /// Like [`Ctx::child`]; `None` when the fork failed, with `errno` as the kernel left it.
    pub fn try_child(&self, body: impl FnOnce()) -> Option<libc::pid_t> {
        // SAFETY: fork(3) of the C library keeps its own locks right; the child only runs code of this program, ends
        // with _exit and never returns into the caller's frames.
        match unsafe { libc::fork() } {
            0 => {
                body();
                exit(0)
            }
            -1 => None,
            pid => Some(pid),
        }
    }

    /// Becomes `behaviour` by execve of the same file; `env` is the whole new environment.
    pub fn exec(&self, behaviour: &str, env: &[CString]) -> ! {
        let argv = self.argv(behaviour);
        let argv = pointers(&argv);
        let env = pointers(env);
        // SAFETY: both vectors are NULL-terminated and live, with their strings, until the call has ended.
        unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), env.as_ptr()) };
        self.fail("execve")
    }
}

/// A NULL-terminated vector of pointers to `strings`, which must outlive it.
pub fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// `_exit(2)`: no handlers, no buffers, right in any child.
pub fn exit(code: c_int) -> ! {
    // SAFETY: ends the process; nothing of ours is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Milliseconds of `CLOCK_MONOTONIC`.
pub fn now_ms() -> i64 {
    // SAFETY: an all-zero timespec is a valid one.
    let mut ts: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `ts` is ours and large enough.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec * 1000 + ts.tv_nsec / 1_000_000
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn now_ns() -> u64 {
    // SAFETY: an all-zero timespec is a valid one.
    let mut ts: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `ts` is ours and large enough.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// Sleeps for `us` microseconds.
pub fn sleep_us(us: u64) {
    std::thread::sleep(std::time::Duration::from_micros(us));
}

/// Sleeps for `ms` milliseconds.
pub fn sleep_ms(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}

/// This process's PID, from the kernel.
pub fn pid() -> libc::pid_t {
    // SAFETY: getpid has no failure and touches no memory.
    unsafe { libc::getpid() }
}

/// The parent's PID, from the kernel.
pub fn ppid() -> libc::pid_t {
    // SAFETY: getppid has no failure and touches no memory.
    unsafe { libc::getppid() }
}

/// Waits for the child `pid`; gives the raw status.
pub fn reap(pid: libc::pid_t) -> c_int {
    let mut status = 0;
    // SAFETY: `status` is ours.
    while unsafe { libc::waitpid(pid, &mut status, 0) } == -1
        && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    status
}

/// Children are reaped by the kernel, without a zombie.
pub fn reap_by_itself() {
    // SAFETY: SIG_IGN for SIGCHLD installs no handler of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// The state letter of `/proc/PID/stat` (found behind the *last* parenthesis), or `None` when it is gone.
pub fn state_of(pid: libc::pid_t) -> Option<char> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|b| *b == b')')?;
    stat.get(end + 2).map(|b| *b as char)
}

/// Waits until `done` holds; a shape that does not come about within 10 s is a failure.
pub fn until(ctx: &Ctx, what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if done() {
            return;
        }
        sleep_ms(2);
    }
    ctx.fail(what)
}

/// `pidfd_open(2)`; negative when there is no such process.
pub fn pidfd_open(pid: libc::pid_t) -> RawFd {
    // SAFETY: plain integers, the result is a descriptor or -1.
    unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) as RawFd }
}
