//! Members that do not want to go, or cannot hear.

use crate::ctx::{Ctx, pid, pidfd_open, ppid, reap_by_itself, state_of, until};

/// Everything that can be ignored is ignored in the root, and blocked in the child.
pub fn term_ignored(ctx: Ctx, _: &[String]) {
    for signal in 1..=64 {
        // SAFETY: SIG_IGN installs no handler; KILL and STOP are refused, which is well.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    ctx.child(|| {
        // SAFETY: an all-zero sigset is valid storage, filled before it is used.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
        ctx.ready("");
        ctx.hold()
    });
    ctx.hold()
}

/// Root and child are stopped; the third waits and, at the deadline, ends them.
pub fn self_stopped(ctx: Ctx, _: &[String]) {
    let root = pid();
    let child = ctx.child(|| stop_self(ctx));
    ctx.child(|| {
        let fds = [pidfd_open(root), pidfd_open(child)];
        until(&ctx, "not stopped", || state_of(root) == Some('T') && state_of(child) == Some('T'));
        ctx.ready(&format!("pid={root} child={child}"));
        while !ctx.over() {
            crate::ctx::sleep_ms(100);
        }
        for fd in fds {
            // SAFETY: the pidfd is ours and names a member of this very adversary.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, 0, 0) };
        }
    });
    stop_self(ctx)
}

fn stop_self(ctx: Ctx) -> ! {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGSTOP) };
    ctx.hold()
}

/// One child traces its sibling, which lies in a trace stop and would report its exit to the tracer first.
pub fn ptraced(ctx: Ctx, _: &[String]) {
    let victim = ctx.child(|| {
        // SAFETY: plain integers: any process may trace us, whatever Yama says.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::MAX) };
        ctx.hold()
    });
    ctx.child(|| {
        // SAFETY: SEIZE and INTERRUPT take no addresses here; the target is a sibling of ours.
        let rc = unsafe { libc::ptrace(libc::PTRACE_SEIZE, victim, 0, libc::PTRACE_O_TRACEEXIT) };
        if rc == -1 {
            crate::kernel_asks::refused(&ctx, "PTRACE_SEIZE");
        }
        // SAFETY: as above.
        unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, victim, 0, 0) };
        until(&ctx, "no trace stop", || state_of(victim) == Some('t'));
        ctx.ready(&format!("victim={victim}"));
        while !ctx.over() {
            crate::ctx::sleep_ms(100);
        }
        // SAFETY: our tracee, a member of this very adversary.
        unsafe { libc::kill(victim, libc::SIGKILL) };
    });
    ctx.hold()
}

/// Two who watch each other: when one dies, the other forks a new one. At most 5000 times each.
pub fn revive(ctx: Ctx, _: &[String]) {
    reap_by_itself();
    let me = pid();
    let partner = ctx.child(|| {
        until(&ctx, "no parent", || ppid() == me);
        ctx.ready(&format!("pid={me} partner={}", pid()));
        guard(ctx, pidfd_open(me), 5000)
    });
    guard(ctx, pidfd_open(partner), 5000)
}

fn guard(ctx: Ctx, mut partner: i32, lives: u32) -> ! {
    for left in (0..lives).rev() {
        let mut poll = libc::pollfd { fd: partner, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, ours.
        while partner >= 0 && unsafe { libc::poll(&mut poll, 1, ctx.left_ms().min(60_000) as i32) } != 1 {
            if ctx.over() {
                crate::ctx::exit(0);
            }
        }
        if ctx.over() {
            break;
        }
        let me = pidfd_open(pid());
        // SAFETY: closes a pidfd that nobody else uses.
        unsafe { libc::close(partner) };
        partner = match ctx.try_child(|| guard(ctx, me, left)) {
            Some(child) => pidfd_open(child),
            None => -1,
        };
        // SAFETY: the child has its own copy.
        unsafe { libc::close(me) };
    }
    ctx.hold()
}
