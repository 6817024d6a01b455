//! Ways to leave the family: sessions, daemons, re-parenting, another face.

use crate::ctx::{Ctx, pid, ppid, reap, until};

/// Only this process; announced, then quiet. What other behaviours exec into.
pub fn hold(ctx: Ctx, _: &[String]) {
    ctx.ready(&format!("pid={}", pid()));
    ctx.hold()
}

/// A parent and a child.
pub fn plain(ctx: Ctx, _: &[String]) {
    let child = ctx.child(|| ctx.hold());
    ctx.ready(&format!("pid={} child={child}", pid()));
    ctx.hold()
}

/// The child leads a session of its own, its child a process group of its own.
pub fn setsid(ctx: Ctx, _: &[String]) {
    ctx.child(|| {
        new_session(&ctx);
        ctx.child(|| {
            // SAFETY: plain integers; (0, 0) makes a group of our own.
            unsafe { libc::setpgid(0, 0) };
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

fn new_session(ctx: &Ctx) {
    // SAFETY: setsid takes nothing and touches no memory.
    if unsafe { libc::setsid() } == -1 {
        ctx.fail("setsid");
    }
}

/// The classic: the middle one ends, the grandchild belongs to somebody else.
pub fn double_fork(ctx: Ctx, _: &[String]) {
    let middle = ctx.child(|| {
        let middle = pid();
        ctx.child(|| {
            until(&ctx, "not re-parented", || ppid() != middle);
            ctx.ready(&format!("orphan={} parent={}", pid(), ppid()));
            ctx.hold()
        });
    });
    reap(middle);
    ctx.hold()
}

/// daemon(3), then once more: the root is gone, nothing of its session is left.
pub fn daemon(ctx: Ctx, _: &[String]) {
    for _ in 0..2 {
        // SAFETY: the program has one thread here; the caller's frames go on in the child, as daemon(3) wants.
        if unsafe { libc::daemon(0, 0) } == -1 {
            ctx.fail("daemon");
        }
    }
    ctx.child(|| ctx.hold());
    ctx.ready(&format!("pid={}", pid()));
    ctx.hold()
}

/// The "child" is a sibling: CLONE_PARENT makes it a child of our parent, and its child again.
pub fn clone_parent(ctx: Ctx, _: &[String]) {
    let child = sibling(&ctx);
    if child == 0 {
        if sibling(&ctx) == 0 {
            ctx.ready(&format!("pid={} parent={}", pid(), ppid()));
        }
        ctx.hold()
    }
    ctx.hold()
}

fn sibling(ctx: &Ctx) -> libc::pid_t {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with stack 0 this is fork with another parent; one thread, so no locks are held.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == -1 {
        ctx.fail("clone(CLONE_PARENT)");
    }
    pid as libc::pid_t
}

/// The root ends at once; what it left goes on.
pub fn root_exits(ctx: Ctx, _: &[String]) {
    let root = pid();
    ctx.child(|| {
        until(&ctx, "not re-parented", || ppid() != root);
        ctx.child(|| ctx.hold());
        ctx.ready(&format!("orphan={}", pid()));
        ctx.hold()
    });
}

/// The child has an empty environment and another session: nothing of the start is left to recognise.
pub fn clear_env(ctx: Ctx, _: &[String]) {
    ctx.child(|| {
        new_session(&ctx);
        ctx.exec("plain", &[])
    });
    ctx.hold()
}

/// Names that break parsers of `/proc/PID/stat` and terminals.
pub fn comm(ctx: Ctx, _: &[String]) {
    rename_self(b") R 1 1 (x) (\0");
    ctx.child(|| {
        rename_self(b"a) \n\x1b[31m) Z 1\0");
        ctx.child(|| {
            rename_self(b"  ) (  ) S  ) \0");
            ctx.ready("");
            ctx.hold()
        });
        ctx.hold()
    });
    ctx.hold()
}

fn rename_self(name: &[u8]) {
    // SAFETY: the name ends in NUL; the kernel copies at most 16 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}
