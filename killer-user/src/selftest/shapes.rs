//! Victims that stand still in an odd shape.

use std::time::Duration;

use super::ctx::{Behaviour, Ctx};
use crate::sys::{offspring, proc, uring};

/// By name.
pub const ALL: &[Behaviour] = &[
    ("hold", hold),
    ("accomplice", accomplice),
    ("plain", plain),
    ("daemon", daemon),
    ("root_exits", root_exits),
    ("clone_parent", clone_parent),
    ("masked", masked),
    ("leader_exits", leader_exits),
    ("exec_from_thread", exec_from_thread),
    ("vfork", vfork),
    ("signals_ignored", signals_ignored),
    ("stopped", stopped),
    ("pid_namespace", pid_namespace),
    ("failing_forks", failing_forks),
    ("io_uring", io_uring),
    ("pid_reuse", pid_reuse),
];

fn hold(ctx: Ctx) {
    ctx.ready(Some(1), "");
    ctx.hold()
}

/// Announces nothing: the pipes are another's.
fn accomplice(ctx: Ctx) {
    ctx.hold()
}

fn plain(ctx: Ctx) {
    ctx.child(|| ctx.hold());
    ctx.ready(Some(2), "");
    ctx.hold()
}

fn ppid() -> i32 {
    nix::unistd::getppid().as_raw()
}

fn pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn reap(pid: i32) {
    let _ = crate::sys::child::wait(pid);
}

/// The state letter of a process.
fn state(pid: i32) -> Option<char> {
    procfs::process::Process::new(pid).and_then(|p| p.stat()).ok().map(|s| s.state)
}

fn new_session(ctx: &Ctx) {
    let done = nix::unistd::setsid();
    ctx.must("setsid", done.map(drop).map_err(std::io::Error::from));
}

/// Double fork and setsid: the middle one is gone, the daemon is somebody else's child.
fn daemon(ctx: Ctx) {
    let middle = ctx.child(|| {
        let middle = pid();
        new_session(&ctx);
        ctx.child(|| {
            ctx.until("the daemon was not re-parented", || ppid() != middle);
            ctx.ready(Some(2), "");
            ctx.hold()
        });
    });
    reap(middle);
    ctx.hold()
}

/// The main process is gone; what it left goes on forking.
fn root_exits(ctx: Ctx) {
    let root = pid();
    ctx.child(|| {
        ctx.until("the child was not re-parented", || ppid() != root);
        ctx.child(|| ctx.hold());
        ctx.ready(Some(2), "");
        ctx.hold()
    });
}

/// Children that are siblings: no parent pointer leads to the root.
fn clone_parent(ctx: Ctx) {
    if ctx.must("clone(CLONE_PARENT)", offspring::sibling()).is_none() {
        if ctx.must("clone(CLONE_PARENT)", offspring::sibling()).is_none() {
            ctx.ready(Some(3), "");
        }
        ctx.hold()
    }
    ctx.hold()
}

/// Another name, session, process group and user; the environment is empty anyway.
fn masked(ctx: Ctx) {
    ctx.child(|| {
        new_session(&ctx);
        let _ = rustix::thread::set_name(c") R 1 1 (x) (");
        ctx.child(|| {
            let _ = nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
            let _ = rustix::thread::set_name(c"kworker/0:0");
            ctx.confine(100);
            ctx.ready(Some(3), "");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// The leader has ended and is a zombie; another thread lives and forks.
fn leader_exits(ctx: Ctx) {
    let leader = pid();
    std::thread::spawn(move || {
        ctx.until("the leader did not end", || state(leader) == Some('Z'));
        ctx.child(|| ctx.hold());
        ctx.ready(Some(2), "");
        ctx.hold()
    });
    offspring::end_thread()
}

/// A thread that is not the leader execs and takes the leader's number.
fn exec_from_thread(ctx: Ctx) {
    for _ in 0..2 {
        std::thread::spawn(move || ctx.hold());
    }
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        ctx.exec("hold")
    });
    ctx.hold()
}

/// A parent that vfork holds in an uninterruptible wait.
fn vfork(ctx: Ctx) {
    let stuck = ctx.child(|| {
        ctx.must("clone(CLONE_VFORK)", offspring::vfork(&|| ctx.hold()));
    });
    ctx.until("nobody waits in vfork", || state(stuck) == Some('D'));
    ctx.ready(Some(3), "");
    ctx.hold()
}

/// Every signal that can be ignored is ignored, and in the child held back.
fn signals_ignored(ctx: Ctx) {
    offspring::ignore(1..=64);
    ctx.child(|| {
        offspring::block_all();
        ctx.ready(Some(2), "");
        ctx.hold()
    });
    ctx.hold()
}

/// Two that are stopped, and one that ends them should the tester be gone.
fn stopped(ctx: Ctx) {
    let root = pid();
    let child = ctx.child(|| stop_self(ctx));
    ctx.child(|| {
        let fds = [root, child].map(|p| proc::pidfd_open(p as u32));
        ctx.until("not stopped", || [root, child].iter().all(|&p| state(p) == Some('T')));
        ctx.ready(Some(3), "");
        while !ctx.over() {
            std::thread::sleep(Duration::from_millis(50));
        }
        for fd in fds.iter().flatten() {
            let _ = proc::pidfd_send(fd, libc::SIGKILL, None);
        }
    });
    stop_self(ctx)
}

fn stop_self(ctx: Ctx) {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    ctx.hold()
}

/// A PID namespace of its own, with an init and a daemon in it.
fn pid_namespace(ctx: Ctx) {
    let done = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID);
    ctx.must("unshare(CLONE_NEWPID)", done.map_err(std::io::Error::from));
    ctx.child(|| {
        ctx.child(|| {
            new_session(&ctx);
            ctx.ready(Some(3), "");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// Forks that fail for lack of processes must neither be counted nor lose the next one.
fn failing_forks(ctx: Ctx) {
    ctx.confine(0);
    let failed = (0..50)
        .filter(|_| matches!(offspring::fork(|| ()), Err(e) if e.raw_os_error() == Some(libc::EAGAIN)))
        .count();
    if failed != 50 {
        ctx.skip("RLIMIT_NPROC does not bind here");
    }
    ctx.limit(16);
    ctx.child(|| ctx.hold());
    ctx.ready(Some(2), "");
    ctx.hold()
}

/// Kernel-made threads: a polling one, and a worker that blocks.
fn io_uring(ctx: Ctx) {
    ctx.child(|| {
        let _ring = ctx.must("io_uring_setup(SQPOLL)", uring::polled());
        shows(&ctx, "iou-sqp");
    });
    ctx.child(|| {
        let _ring = ctx.must("io_uring", uring::blocked());
        shows(&ctx, "iou-wrk");
    });
    ctx.hold()
}

fn shows(ctx: &Ctx, prefix: &str) {
    let named = |t: procfs::process::Task| t.stat().is_ok_and(|s| s.comm.starts_with(prefix));
    ctx.until("io_uring made no thread", || {
        procfs::process::Process::myself().and_then(|p| p.tasks()).is_ok_and(|ts| ts.flatten().any(named))
    });
    ctx.ready(None, "");
    ctx.hold()
}

/// Leaves the number of a dead member behind, which an outsider then takes.
fn pid_reuse(ctx: Ctx) {
    let dead = ctx.child(|| ());
    reap(dead);
    ctx.child(|| ctx.hold());
    ctx.ready(Some(2), &dead.to_string());
    ctx.hold()
}
