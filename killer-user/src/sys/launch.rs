//! fork and exec by hand: what CMD inherits is what the caller of `killer` had (docs/PROTOCOL.md 11).
//!
//! `std::process::Command` resets what was inherited; the child here gets it back from [`inherit`](super::inherit).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::{descriptors, inherit};

/// What the child becomes.
#[derive(Debug, Default)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<CString>,
    /// Whole environment, `K=V`.
    pub env: Vec<CString>,
    /// uid, gid and supplementary groups to take on.
    pub ids: Option<(u32, u32, Vec<u32>)>,
    /// Start in a new session, away from the caller's descriptors (`--detach`).
    pub detach: bool,
    /// Keep the caller's descriptors all the same (`--keep-fds`).
    pub keep_fds: bool,
    /// Where a detached one's output goes; nowhere, or to the caller's with `keep_fds`.
    pub log: Option<OwnedFd>,
}

/// Where the child failed, sent through the status pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// Taking on the ids.
    Ids = 1,
    /// execve(2).
    Exec = 2,
}

/// Forks and execs. `fork_gate` is called in the parent right before the fork, so that a mark set there is
/// consumed by it. The outer result: the fork itself; the inner: the child's own failure before exec.
pub fn spawn(
    l: &Launch,
    before: impl FnOnce() -> io::Result<()>,
    after: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<Result<i32, (Step, io::Error)>> {
    let argv: Vec<*const libc::c_char> =
        l.argv.iter().map(|a| a.as_ptr()).chain(std::iter::once(std::ptr::null())).collect();
    let env: Vec<*const libc::c_char> =
        l.env.iter().map(|a| a.as_ptr()).chain(std::iter::once(std::ptr::null())).collect();
    let paths = candidates(l);
    let mut status = [0; 2];
    let mut go = [0; 2];
    // SAFETY: both arrays hold two ints.
    if unsafe {
        libc::pipe2(status.as_mut_ptr(), libc::O_CLOEXEC) | libc::pipe2(go.as_mut_ptr(), libc::O_CLOEXEC)
    } != 0
    {
        return Err(io::Error::last_os_error());
    }
    before()?;
    // SAFETY: this process has one thread here (the async runtime is started later), and the child calls only
    // async-signal-safe functions before exec or _exit.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        let e = io::Error::last_os_error();
        close(&[status[0], status[1], go[0], go[1]]);
        return Err(e);
    }
    if pid == 0 {
        // SAFETY: we are the only thread of the child; all data was made before the fork.
        unsafe { child(l, &argv, &env, &paths, status, go) }
    }
    close(&[status[1], go[0]]);
    let ready = after(pid);
    if ready.is_ok() {
        // SAFETY: one byte from a live buffer.
        unsafe { libc::write(go[1], [1u8].as_ptr().cast(), 1) };
    }
    close(&[go[1]]);
    let mut word = [0i32; 2];
    // SAFETY: word is 8 live bytes.
    let n = loop {
        // SAFETY: as above.
        let n = unsafe { libc::read(status[0], word.as_mut_ptr().cast(), 8) };
        if n >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break n;
        }
    };
    close(&[status[0]]);
    if let Err(e) = ready {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        return Err(e);
    }
    if n == 8 {
        // SAFETY: our own child, which is about to _exit.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        let step = if word[0] == Step::Ids as i32 { Step::Ids } else { Step::Exec };
        return Ok(Err((step, io::Error::from_raw_os_error(word[1]))));
    }
    Ok(Ok(pid))
}

pub(super) fn close(fds: &[i32]) {
    for &fd in fds {
        // SAFETY: descriptors of our own that nobody else holds.
        unsafe { libc::close(fd) };
    }
}

/// Absolute candidates along PATH, in order, as execvp(3) tries them.
fn candidates(l: &Launch) -> Vec<CString> {
    let Some(cmd) = l.argv.first() else { return Vec::new() };
    if cmd.as_bytes().contains(&b'/') {
        return vec![cmd.clone()];
    }
    let path = l
        .env
        .iter()
        .find_map(|e| e.as_bytes().strip_prefix(b"PATH=").map(<[u8]>::to_vec))
        .unwrap_or_else(|| b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec());
    path.split(|&b| b == b':')
        .filter_map(|d| {
            let mut p = if d.is_empty() { b".".to_vec() } else { d.to_vec() };
            p.push(b'/');
            p.extend_from_slice(cmd.as_bytes());
            CString::new(p).ok()
        })
        .collect()
}

/// # Safety
/// Only in a freshly forked, single-threaded child.
unsafe fn child(
    l: &Launch,
    argv: &[*const libc::c_char],
    env: &[*const libc::c_char],
    paths: &[CString],
    status: [i32; 2],
    go: [i32; 2],
) -> ! {
    // SAFETY: async-signal-safe calls on data made before the fork; never returns.
    unsafe {
        let fail = |step: Step| -> ! {
            let word = [step as i32, *libc::__errno_location()];
            libc::write(status[1], word.as_ptr().cast(), 8);
            libc::_exit(127)
        };
        // Wait until the parent has seen the root in the map. EOF: the parent is gone or gave up.
        libc::close(go[1]);
        let mut byte = 0u8;
        let mut n;
        loop {
            n = libc::read(go[0], (&raw mut byte).cast(), 1);
            if n >= 0 || *libc::__errno_location() != libc::EINTR {
                break;
            }
        }
        if n != 1 {
            libc::_exit(125);
        }
        if l.detach {
            libc::setsid();
        }
        inherit::give_back(!l.detach || l.keep_fds);
        if l.detach {
            let log = l.log.as_ref().map(AsRawFd::as_raw_fd);
            if !l.keep_fds {
                descriptors::close_standard();
                descriptors::close_at_exec(3);
            }
            for fd in log.map_or(0..0, |_| 1..3) {
                libc::dup2(log.unwrap_or(fd), fd);
            }
        }
        if let Some((uid, gid, groups)) = &l.ids
            && (libc::setgroups(groups.len(), groups.as_ptr()) != 0
                || libc::setgid(*gid) != 0
                || libc::setuid(*uid) != 0)
        {
            fail(Step::Ids);
        }
        let mut seen_access = false;
        for p in paths {
            libc::execve(p.as_ptr(), argv.as_ptr(), env.as_ptr());
            match *libc::__errno_location() {
                libc::EACCES => seen_access = true,
                libc::ENOENT | libc::ENOTDIR => {}
                _ => fail(Step::Exec),
            }
        }
        *libc::__errno_location() = if seen_access { libc::EACCES } else { libc::ENOENT };
        fail(Step::Exec)
    }
}

/// Signals that a supervisor passes on to its child.
const PASSED_ON: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

fn supervised() -> libc::sigset_t {
    // SAFETY: sigemptyset and sigaddset fill a live set.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for s in PASSED_ON.into_iter().chain([libc::SIGCHLD]) {
            libc::sigaddset(&mut set, s);
        }
        set
    }
}

/// Holds back what [`supervise`] handles; to be called before [`spawn`], whose child gets the caller's mask back.
pub fn hold_signals() {
    let set = supervised();
    // SAFETY: set is live; only this thread exists.
    unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// Waits for the child and passes on what was sent to this process alone, exactly once: what a terminal sends
/// (`SI_KERNEL`) the child has got itself, being in the same process group. Answers the raw status.
pub fn supervise(pid: i32, mut pass: impl FnMut(i32)) -> io::Result<i32> {
    let set = supervised();
    loop {
        let mut st = 0;
        // SAFETY: st is a live int; our own child.
        let r = unsafe { libc::waitpid(pid, &mut st, libc::WNOHANG) };
        if r == pid {
            return Ok(st);
        }
        if r < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: info is zeroed, plain C data; set is live.
        let (sig, code) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::sigwaitinfo(&set, &mut info), info.si_code)
        };
        const SI_KERNEL: i32 = 0x80;
        if PASSED_ON.contains(&sig) && code != SI_KERNEL {
            pass(sig);
        }
    }
}

/// Waits for a child without reaping it before the caller is ready: the raw status of waitpid(2).
pub fn wait_child(pid: i32) -> io::Result<i32> {
    let mut st = 0;
    loop {
        // SAFETY: st is a live int.
        let r = unsafe { libc::waitpid(pid, &mut st, 0) };
        if r == pid {
            return Ok(st);
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

/// The raw status of a child that has ended, which is reaped; `None` while it goes on.
pub fn ended_child(pid: i32) -> io::Result<Option<i32>> {
    let mut st = 0;
    // SAFETY: st is a live int.
    match unsafe { libc::waitpid(pid, &mut st, libc::WNOHANG) } {
        0 => Ok(None),
        r if r == pid => Ok(Some(st)),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            e => Err(e),
        },
    }
}
