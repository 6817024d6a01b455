//! Other cgroups, identities, namespaces and limits.

use crate::ctx::{Ctx, pid, reap, reap_by_itself, until};
use crate::kernel_asks::{CloneArgs, clone3, errno, refused};
use std::os::fd::AsRawFd;

/// A user that nobody is; the PID keeps concurrent tests apart (RLIMIT_NPROC counts per user).
pub fn stranger() -> u32 {
    100_000 + pid() as u32
}

/// Becomes `uid` for good, group included.
pub fn become_user(ctx: &Ctx, uid: u32) {
    // SAFETY: plain integers; an empty list of groups needs no memory.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(uid, uid, uid) == 0
            && libc::setresuid(uid, uid, uid) == 0
    };
    if !done {
        refused(ctx, "setresuid");
    }
}

/// A child moves itself to another cgroup (argument: a directory of cgroup v2), and forks there.
pub fn leaves_cgroup(ctx: Ctx, args: &[String]) {
    let Some(dir) = args.first() else { ctx.skip("no cgroup v2 hierarchy to write to") };
    ctx.child(|| {
        if std::fs::write(format!("{dir}/cgroup.procs"), "0").is_err() {
            refused(&ctx, "cgroup.procs");
        }
        ctx.child(|| {
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// A child is born in another cgroup (argument: a directory of cgroup v2).
pub fn clone_into_cgroup(ctx: Ctx, args: &[String]) {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let Some(dir) = args.first() else { ctx.skip("no cgroup v2 hierarchy to write to") };
    let Ok(dir) = std::fs::File::open(dir) else { ctx.fail("open cgroup") };
    let args = CloneArgs {
        flags: CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: dir.as_raw_fd() as u64,
        ..Default::default()
    };
    match clone3(&args) {
        -1 => refused(&ctx, "clone3(CLONE_INTO_CGROUP)"),
        0 => {
            ctx.child(|| ctx.hold());
            ctx.ready("");
            ctx.hold()
        }
        _ => ctx.hold(),
    }
}

/// A child has a manager, who is no member, move it to another cgroup, as `systemd-run --scope` asks systemd: it writes its number to
/// a file (first argument) and waits until it is in a cgroup of that name (second). Then it forks.
pub fn moved_by_a_manager(ctx: Ctx, args: &[String]) {
    let [ask, name, ..] = args else { ctx.skip("no manager to ask") };
    ctx.child(|| {
        if std::fs::write(ask, format!("{}\n", pid())).is_err() {
            refused(&ctx, "asking the manager");
        }
        let moved = || std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|t| t.contains(name.as_str()));
        until(&ctx, "the manager did not move it", moved);
        ctx.child(|| {
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// A child has systemd move it into a scope of its own, by `systemd-run --scope`, and forks there.
pub fn systemd_scope(ctx: Ctx, _: &[String]) {
    if !std::path::Path::new("/run/systemd/system").is_dir() {
        ctx.skip("PID 1 is no systemd");
    }
    let Ok(program) = std::env::current_exe() else { ctx.fail("own path") };
    ctx.child(|| {
        use std::os::unix::process::CommandExt;
        let words = ctx.argv("plain");
        let words = words.iter().skip(1).map(|w| w.to_string_lossy().into_owned());
        let mut run = std::process::Command::new("systemd-run");
        let _ = run.args(["--scope", "--quiet", "--collect", "--"]).arg(&program).args(words).exec();
        refused(&ctx, "systemd-run")
    });
    ctx.hold()
}

/// A child with another identity, whom its own parent could not signal any more were it not root.
pub fn setuid_child(ctx: Ctx, _: &[String]) {
    let uid = stranger();
    ctx.child(|| {
        become_user(&ctx, uid);
        ctx.child(|| {
            ctx.ready(&format!("uid={uid}"));
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// A PID namespace: its init ignores what it can, a daemon inside is re-parented to that init, and there is one more
/// namespace within.
pub fn pid_ns(ctx: Ctx, _: &[String]) {
    into_pid_ns(&ctx, &|| {
        let middle = ctx.child(|| {
            ctx.child(|| {
                // SAFETY: setsid takes nothing and touches no memory.
                unsafe { libc::setsid() };
                into_pid_ns(&ctx, &|| {
                    ctx.child(|| ctx.hold());
                    ctx.ready("");
                });
                ctx.hold()
            });
        });
        reap(middle);
    });
    ctx.hold()
}

/// Forks the init of a new PID namespace, which runs `inside` and stays.
fn into_pid_ns(ctx: &Ctx, inside: &dyn Fn()) {
    // SAFETY: a flag only; concerns the children to come.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } == -1 {
        refused(ctx, "unshare(CLONE_NEWPID)");
    }
    ctx.child(|| {
        reap_by_itself();
        inside();
        ctx.hold()
    });
}

/// A user namespace in which the child is root of its own.
pub fn user_ns(ctx: Ctx, _: &[String]) {
    ctx.child(|| {
        // SAFETY: flags only; one thread, as CLONE_NEWUSER demands.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } == -1 {
            match errno() {
                libc::ENOSPC => ctx.skip("user.max_user_namespaces is used up"),
                _ => refused(&ctx, "unshare(CLONE_NEWUSER)"),
            }
        }
        ctx.child(|| {
            ctx.child(|| ctx.hold());
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// Forks that fail with EAGAIN, a hundred times, in a member and not before any hook; then one that succeeds.
pub fn rlimit_nproc(ctx: Ctx, _: &[String]) {
    let uid = stranger();
    ctx.child(|| {
        become_user(&ctx, uid);
        limit_processes(&ctx, 0);
        let mut failed = 0;
        for _ in 0..100 {
            match ctx.try_child(|| ()) {
                None if errno() == libc::EAGAIN => failed += 1,
                None => ctx.fail("fork under RLIMIT_NPROC"),
                Some(child) => {
                    reap(child);
                }
            }
        }
        if failed != 100 {
            ctx.skip("RLIMIT_NPROC does not bind here");
        }
        limit_processes(&ctx, 16);
        ctx.child(|| {
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

/// Sets the soft limit of processes for this user, the hard one to 1000.
pub fn limit_processes(ctx: &Ctx, soft: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: 1000 };
    // SAFETY: `limit` is a valid rlimit that lives across the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &limit) } == -1 {
        ctx.fail("setrlimit(RLIMIT_NPROC)");
    }
}
