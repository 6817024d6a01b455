//! Other ways to be born: vfork, posix_spawn, memfd, a chosen PID.

use crate::ctx::{Ctx, exit, pid, pointers, reap, state_of, until};
use crate::kernel_asks::{CloneArgs, clone3, errno, refused};
use std::ffi::{CString, c_int, c_void};

/// One vfork child execs, and one holds its parent in the vfork wait for good.
pub fn vfork(ctx: Ctx, _: &[String]) {
    extern "C" fn execs(ctx: *mut c_void) -> c_int {
        // SAFETY: the pointer is the caller's `Ctx`; the caller is suspended until we exec or exit.
        let ctx = unsafe { *ctx.cast::<Ctx>() };
        ctx.exec("hold", &[])
    }
    extern "C" fn holds(ctx: *mut c_void) -> c_int {
        // SAFETY: as above.
        let ctx = unsafe { *ctx.cast::<Ctx>() };
        ctx.hold()
    }
    // The one who execs announces nothing: its own line goes nowhere.
    let quiet = Ctx { ready: dev_null(), ..ctx };
    clone_vfork(&quiet, execs);
    let stuck = ctx.child(|| clone_vfork(&ctx, holds));
    until(&ctx, "no vfork wait", || state_of(stuck) == Some('D'));
    ctx.ready(&format!("stuck={stuck}"));
    ctx.hold()
}

fn clone_vfork(ctx: &Ctx, entry: extern "C" fn(*mut c_void) -> c_int) {
    const STACK: usize = 256 << 10;
    let stack = vec![0u8; STACK].leak();
    // SAFETY: the address just past the stack, rounded down to 16 bytes.
    let top = unsafe { stack.as_mut_ptr().add(STACK & !15) };
    // SAFETY: the child has a stack of its own that is never freed; CLONE_VFORK keeps us away until it is done.
    let pid = unsafe {
        libc::clone(
            entry,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            std::ptr::from_ref(ctx).cast_mut().cast(),
        )
    };
    if pid == -1 {
        ctx.fail("clone(CLONE_VFORK)");
    }
}

fn dev_null() -> c_int {
    // SAFETY: a literal path; the descriptor is inherited on purpose.
    unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY) }
}

/// posix_spawn(3), in a process group and with a signal mask of its own.
pub fn posix_spawn(ctx: Ctx, _: &[String]) {
    let argv = ctx.argv("plain");
    let argv = pointers(&argv);
    let env = pointers(&[]);
    let mut child = 0;
    // SAFETY: an all-zero attribute object is what posix_spawnattr_init is given to fill.
    let mut attr: libc::posix_spawnattr_t = unsafe { std::mem::zeroed() };
    // SAFETY: all pointers are to live objects of the right type; vectors end in NULL.
    let rc = unsafe {
        libc::posix_spawnattr_init(&mut attr);
        libc::posix_spawnattr_setflags(&mut attr, libc::POSIX_SPAWN_SETPGROUP as libc::c_short);
        libc::posix_spawn(
            &mut child,
            c"/proc/self/exe".as_ptr(),
            std::ptr::null(),
            &attr,
            argv.as_ptr().cast(),
            env.as_ptr().cast(),
        )
    };
    if rc != 0 {
        ctx.fail(&format!("posix_spawn: {rc}"));
    }
    ctx.hold()
}

/// The program runs from memory: no file anywhere has its name.
pub fn memfd_exec(ctx: Ctx, _: &[String]) {
    let Ok(program) = std::fs::read("/proc/self/exe") else { ctx.fail("read /proc/self/exe") };
    // SAFETY: a literal name; flags 0.
    let fd = unsafe { libc::memfd_create(c"".as_ptr(), 0) };
    if fd == -1 {
        refused(&ctx, "memfd_create");
    }
    if std::fs::write(format!("/proc/self/fd/{fd}"), &program).is_err() {
        ctx.fail("write memfd");
    }
    ctx.child(|| {
        let argv = ctx.argv("plain");
        let argv = pointers(&argv);
        let env: Vec<CString> = Vec::new();
        let env = pointers(&env);
        // SAFETY: `fd` is open, both vectors end in NULL and live across the call.
        unsafe { libc::fexecve(fd, argv.as_ptr(), env.as_ptr()) };
        ctx.fail("fexecve")
    });
    ctx.hold()
}

/// Children whom nobody has to wait for (7.1+): no zombie, no signal to the parent, also after another one has become it.
pub fn autoreap(ctx: Ctx, _: &[String]) {
    const CLONE_AUTOREAP: u64 = 0x4_0000_0000;
    let args = CloneArgs { flags: CLONE_AUTOREAP, exit_signal: 0, ..Default::default() };
    let child = |body: &dyn Fn()| match clone3(&args) {
        -1 if errno() == libc::EINVAL => ctx.skip("this kernel has no CLONE_AUTOREAP (7.1+)"),
        -1 => refused(&ctx, "clone3(CLONE_AUTOREAP)"),
        0 => {
            body();
            exit(0)
        }
        pid => pid,
    };
    // One that is gone: its number is free without anybody's wait.
    let gone = child(&|| ());
    until(&ctx, "it was not reaped by itself", || state_of(gone).is_none());
    let middle = child(&|| {
        // Its parent goes; whose child it is then need not wait for it either.
        child(&|| {
            child(&|| ctx.hold());
            ctx.child(|| ctx.hold());
            ctx.ready("");
            ctx.hold()
        });
    });
    until(&ctx, "its parent does not end", || state_of(middle).is_none());
    ctx.hold()
}

/// Leaves a PID behind for an outsider to take: a child that was a member is dead and reaped.
pub fn pid_reuse(ctx: Ctx, _: &[String]) {
    let dead = ctx.child(|| exit(0));
    reap(dead);
    ctx.child(|| ctx.hold());
    ctx.ready(&format!("dead={dead}"));
    ctx.hold()
}

/// The outsider: takes the PID in the first argument through clone3's `set_tid`, and stays there.
pub fn claim_pid(ctx: Ctx, args: &[String]) {
    let Some(want) = args.first().and_then(|a| a.parse::<libc::pid_t>().ok()) else {
        ctx.fail("no PID given")
    };
    let args = CloneArgs {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: (&raw const want) as u64,
        set_tid_size: 1,
        ..Default::default()
    };
    for _ in 0..200 {
        match clone3(&args) {
            0 => {
                ctx.ready(&format!("pid={}", pid()));
                ctx.hold()
            }
            // The number is not free before the kernel has released the dead task.
            -1 if errno() == libc::EEXIST => crate::ctx::sleep_ms(5),
            -1 => refused(&ctx, "clone3(set_tid)"),
            _ => ctx.hold(),
        }
    }
    ctx.skip("the PID was taken by somebody else")
}

/// A child with the PID in the first argument, or the next one that is free.
pub fn far(ctx: Ctx, args: &[String]) {
    let Some(first) = args.first().and_then(|a| a.parse::<libc::pid_t>().ok()) else {
        ctx.fail("no PID given")
    };
    for want in first..first + 100 {
        let args = CloneArgs {
            exit_signal: libc::SIGCHLD as u64,
            set_tid: (&raw const want) as u64,
            set_tid_size: 1,
            ..Default::default()
        };
        match clone3(&args) {
            0 => {
                ctx.ready(&format!("pid={}", pid()));
                ctx.hold()
            }
            -1 if errno() == libc::EEXIST => {}
            -1 => refused(&ctx, "clone3(set_tid)"),
            _ => ctx.hold(),
        }
    }
    ctx.skip("no free PID there")
}
