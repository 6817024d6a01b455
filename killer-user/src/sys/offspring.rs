//! Unusual births and ends, for the self-test's victims: CLONE_PARENT, vfork, a chosen PID, a leader that ends alone.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// `_exit(2)`: no handlers, no buffers; right in any child.
pub fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing of ours is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Ends this thread alone; a process whose leader did so lives on while another thread does.
pub fn end_thread() -> ! {
    loop {
        // SAFETY: SYS_exit ends the calling thread and returns never; what other threads use is theirs.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

/// A descriptor that was inherited over exec under a number that the caller was told, `None` when it is not open.
pub fn inherited(fd: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: F_GETFD only asks.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and victims close none of the descriptors that they were given.
    Some(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn born(pid: libc::c_long) -> io::Result<Option<i32>> {
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid as i32)),
    }
}

/// fork(2) as it is: both go on. `None` in the child.
pub fn fork_on() -> io::Result<Option<i32>> {
    // SAFETY: the C library keeps its own locks right; victims allocate nothing in children of processes with threads.
    born(unsafe { libc::fork() }.into())
}

/// The parent goes on; the child runs `body` and ends.
fn body_of(child: Option<i32>, body: impl FnOnce()) -> io::Result<i32> {
    if let Some(pid) = child {
        return Ok(pid);
    }
    let end = End;
    body();
    drop(end);
    exit(0)
}

/// Forks a child that runs `body` and ends.
pub fn fork(body: impl FnOnce()) -> io::Result<i32> {
    body_of(fork_on()?, body)
}

/// As [`fork_on`], of a child that no process has to wait for, whichever is its parent at its end: it leaves no zombie (7.1+; EINVAL
/// before).
pub(super) fn fork_unwaited() -> io::Result<Option<i32>> {
    const CLONE_AUTOREAP: u64 = 0x4_0000_0000;
    // Such a child sends no signal either (`kernel/fork.c:copy_process` refuses one).
    let args = CloneArgs { flags: CLONE_AUTOREAP, ..CloneArgs::default() };
    // SAFETY: `args` has the size that is given; without CLONE_VM and with stack 0 this is fork, of a process with one thread:
    // no other one can hold a lock of the C library's. What that keeps of the thread's own number is not used afterwards.
    born(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })
}

/// A child never gets back into its parent's frames, not even by a panic.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        exit(0)
    }
}

/// Like [`fork_on`], but the child is a child of our own parent.
pub fn sibling() -> io::Result<Option<i32>> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with stack 0 this is fork with another parent; callers have one thread.
    born(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
}

/// A child that shares our memory and holds us (vfork) until it ends.
pub fn vfork(body: &dyn Fn()) -> io::Result<i32> {
    extern "C" fn enter(arg: *mut c_void) -> c_int {
        // SAFETY: the pointer is to the reference in the suspended parent's frame.
        let body = unsafe { *arg.cast::<&dyn Fn()>() };
        body();
        0
    }
    const STACK: usize = 256 << 10;
    let stack = vec![0u8; STACK].leak();
    // SAFETY: 16-byte aligned, within the leaked stack, which nobody else uses.
    let top = unsafe { stack.as_mut_ptr().add((STACK - 64) & !15) };
    let top = (top as usize & !15) as *mut c_void;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child has a stack of its own; CLONE_VFORK keeps this frame, and so `body`, alive until it is done.
    let pid = unsafe { libc::clone(enter, top, flags, (&raw const body).cast_mut().cast()) };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

/// `struct clone_args` as far as `set_tid` (CLONE_ARGS_SIZE_VER1, Linux 5.5).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

/// Forks a child that has this number, and runs `body` in it.
pub fn fork_at(pid: i32, body: impl FnOnce()) -> io::Result<i32> {
    let args = CloneArgs {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: (&raw const pid) as u64,
        set_tid_size: 1,
        ..CloneArgs::default()
    };
    // SAFETY: `args` has the size that is given and points to a live int; without CLONE_VM and with stack 0 this is
    // fork; the caller has one thread.
    let child = born(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })?;
    body_of(child, body)
}

fn dispose(signal: c_int, how: libc::sighandler_t) {
    // SAFETY: SIG_IGN and SIG_DFL install no handler of ours; what cannot be changed is refused.
    unsafe { libc::signal(signal, how) };
}

/// Children are reaped by the kernel, without a zombie.
pub fn children_vanish() {
    dispose(libc::SIGCHLD, libc::SIG_IGN);
}

/// Children stay until they are waited for.
pub fn children_stay() {
    dispose(libc::SIGCHLD, libc::SIG_DFL);
}

/// Ignores these signals, as far as they can be ignored.
pub fn ignore(signals: impl IntoIterator<Item = i32>) {
    for signal in signals {
        dispose(signal, libc::SIG_IGN);
    }
}

/// Holds back every signal that can be held back.
pub fn block_all() {
    // SAFETY: sigfillset fills a live set, which is then only read.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
}

/// In private memory: a child begins with what its creator had taken when it forked.
static TAKEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: c_int) {
    TAKEN.fetch_add(1, Ordering::SeqCst);
}

/// From here on this signal is counted.
pub fn listen(signal: i32) -> io::Result<()> {
    // SAFETY: a zeroed sigaction is valid: an empty mask; the handler only adds to an atomic.
    let r = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    if r == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How often it came along this line of descent.
pub fn taken() -> u32 {
    TAKEN.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_open_is_not_inherited() {
        assert!(inherited(-1).is_none() && inherited(1 << 20).is_none());
        assert!(inherited(0).is_some() || inherited(1).is_some());
    }

    #[test]
    fn signals_are_counted() {
        let before = taken();
        listen(libc::SIGURG).unwrap();
        // SAFETY: a signal to this very thread, which has a handler for it.
        unsafe { libc::raise(libc::SIGURG) };
        assert_eq!(taken(), before + 1);
    }
}
