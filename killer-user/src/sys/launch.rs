//! fork and exec by hand: what CMD inherits is what the caller of `killer` had (docs/internals/PROTOCOL.md 11).
//!
//! `std::process::Command` resets what was inherited; the child here gets it back from [`inherit`](super::inherit).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::{child, descriptors, inherit, orphan, proc, supervise};
use crate::ending::Ending;

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
    /// The process that starts it goes before it does: CMD begins when the process that orphans come to is its
    /// parent, for life.
    pub orphan: bool,
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

/// The child's number, or where it failed before exec.
pub type Spawned = Result<i32, (Step, io::Error)>;

/// Forks and execs. `before` is called right before the fork by the process that forks, so that a mark set there is
/// consumed by it; `after`, with the child's number, in the same process. The outer result: the fork itself; the
/// inner: the child's own failure before exec.
pub fn spawn(
    l: &Launch,
    before: impl FnOnce() -> io::Result<()>,
    after: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<Spawned> {
    spawn_as(l, l.orphan, before, after)
}

/// The same for a supervisor, which stays whatever becomes of its starter.
pub fn spawn_own(l: &Launch, after: impl FnOnce(i32) -> io::Result<()>) -> io::Result<Spawned> {
    spawn_as(l, false, || Ok(()), after)
}

fn spawn_as(
    l: &Launch,
    as_orphan: bool,
    before: impl FnOnce() -> io::Result<()>,
    after: impl FnOnce(i32) -> io::Result<()>,
) -> io::Result<Spawned> {
    let (said, say) = supervise::pipe()?;
    let (going, go) = supervise::pipe()?;
    let child = Child::new(l, say.as_raw_fd(), going.as_raw_fd());
    let started = match as_orphan {
        true => orphan::by_another(|shut| start(&child, &[&[go.as_raw_fd()], shut].concat(), before, after)),
        false => start(&child, &[go.as_raw_fd()], before, after),
    };
    drop((say, going));
    // While it waits nobody else can have its number.
    let pid = started.as_ref().map_or_else(|e| e.0, |pid| Some(*pid));
    let handle = pid.filter(|_| as_orphan).and_then(|pid| proc::pidfd_open(pid as u32).ok());
    let end = || match (&handle, pid) {
        (Some(fd), _) => orphan::ended(fd),
        (None, Some(pid)) if !as_orphan => drop(child::wait(pid)),
        _ => {}
    };
    let pid = match started {
        Ok(pid) => pid,
        Err((_, e)) => {
            // It ends at the end of this pipe.
            drop(go);
            end();
            return Err(e);
        }
    };
    let _ = rustix::io::write(&go, &[1]);
    drop(go);
    let mut word = [0i32; 2];
    let n = loop {
        match rustix::io::read(&said, bytemuck::bytes_of_mut(&mut word)) {
            Err(rustix::io::Errno::INTR) => {}
            n => break n,
        }
    };
    if n != Ok(size_of_val(&word)) {
        return Ok(Ok(pid));
    }
    end();
    let [step, errno] = word;
    let step = if step == Step::Ids as i32 { Step::Ids } else { Step::Exec };
    Ok(Err((step, io::Error::from_raw_os_error(errno))))
}

/// The fork, between `before` and `after`. The child, which has the error's number when there is one, waits for its
/// word to go on; it closes `shut`.
fn start(
    child: &Child<'_>,
    shut: &[RawFd],
    before: impl FnOnce() -> io::Result<()>,
    after: impl FnOnce(i32) -> io::Result<()>,
) -> Result<i32, (Option<i32>, io::Error)> {
    before().map_err(|e| (None, e))?;
    // SAFETY: this process has one thread here (the async runtime is started later), and the child calls only
    // async-signal-safe functions before exec or _exit.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err((None, io::Error::last_os_error()));
    }
    if pid == 0 {
        close(shut);
        // SAFETY: we are the only thread of the child; all data was made before the fork.
        unsafe { child.go_on() }
    }
    after(pid).map_err(|e| (Some(pid), e))?;
    Ok(pid)
}

pub(super) fn close(fds: &[i32]) {
    for &fd in fds {
        // SAFETY: descriptors of our own that nobody else holds.
        unsafe { libc::close(fd) };
    }
}

/// Absolute candidates along PATH, in order, as execvp(3) tries them; none for an empty name.
fn candidates(l: &Launch) -> Vec<CString> {
    let Some(cmd) = l.argv.first().filter(|c| !c.is_empty()) else { return Vec::new() };
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

/// What runs a script that does not name its interpreter.
const SHELL: &CStr = c"/bin/sh";

/// All that the child needs, made before the fork.
struct Child<'a> {
    l: &'a Launch,
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    paths: Vec<CString>,
    /// For each path: [`SHELL`], the path, and the arguments.
    scripts: Vec<Vec<*const libc::c_char>>,
    say: RawFd,
    going: RawFd,
}

impl<'a> Child<'a> {
    fn new(l: &'a Launch, say: RawFd, going: RawFd) -> Self {
        let pointers = |v: &[CString]| v.iter().map(|a| a.as_ptr()).chain([std::ptr::null()]).collect();
        let (argv, env): (Vec<_>, _) = (pointers(&l.argv), pointers(&l.env));
        let paths = candidates(l);
        let rest = argv.get(1..).unwrap_or_default();
        let script = |p: &CString| [&[SHELL.as_ptr(), p.as_ptr()], rest].concat();
        let scripts = paths.iter().map(script).collect();
        Self { l, argv, env, paths, scripts, say, going }
    }

    /// # Safety
    /// Only in a freshly forked, single-threaded child.
    unsafe fn go_on(&self) -> ! {
        // SAFETY: async-signal-safe calls on data made before the fork; never returns.
        unsafe {
            // Until the parent has seen the root in the map. EOF: the parent is gone or gave up.
            let mut byte = 0u8;
            let mut n;
            loop {
                n = libc::read(self.going, (&raw mut byte).cast(), 1);
                if n >= 0 || *libc::__errno_location() != libc::EINTR {
                    break;
                }
            }
            if n != 1 {
                libc::_exit(Ending::NotStarted.code().into());
            }
            self.become_cmd()
        }
    }

    /// # Safety
    /// As [`Self::go_on`].
    unsafe fn become_cmd(&self) -> ! {
        let l = self.l;
        // SAFETY: as above.
        unsafe {
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
                self.fail(Step::Ids);
            }
            let mut seen_access = false;
            for (p, script) in self.paths.iter().zip(&self.scripts) {
                libc::execve(p.as_ptr(), self.argv.as_ptr(), self.env.as_ptr());
                if *libc::__errno_location() == libc::ENOEXEC {
                    libc::execve(SHELL.as_ptr(), script.as_ptr(), self.env.as_ptr());
                    *libc::__errno_location() = libc::ENOEXEC;
                }
                match *libc::__errno_location() {
                    libc::EACCES => seen_access = true,
                    libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                    _ => self.fail(Step::Exec),
                }
            }
            *libc::__errno_location() = if seen_access { libc::EACCES } else { libc::ENOENT };
            self.fail(Step::Exec)
        }
    }

    /// # Safety
    /// As [`Self::go_on`].
    unsafe fn fail(&self, step: Step) -> ! {
        // SAFETY: 8 live bytes; ends this process.
        unsafe {
            let word = [step as i32, *libc::__errno_location()];
            libc::write(self.say, word.as_ptr().cast(), 8);
            libc::_exit(Ending::NotFound.code().into())
        }
    }
}
