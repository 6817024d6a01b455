//! Many at once: chains that hop from PID to PID, a bomb, a star, a master and its workers.

use crate::confine::{become_user, limit_processes, stranger};
use crate::ctx::{Ctx, exit, pid, reap_by_itself, sleep_ms};

/// 32 chains: each fork's parent ends at once, so no PID lives longer than a moment.
pub fn chains(ctx: Ctx, args: &[String]) {
    let count = args.first().and_then(|a| a.parse().ok()).unwrap_or(32);
    reap_by_itself();
    for _ in 0..count {
        ctx.child(|| hop(ctx));
    }
    sleep_ms(50);
    ctx.ready("");
    // The root goes too: nothing that holds still is left.
}

fn hop(ctx: Ctx) {
    const BOUND: u32 = 200_000;
    for _ in 0..BOUND {
        if ctx.over() {
            exit(0);
        }
        // SAFETY: one thread; the child goes on in this loop and the parent ends, so the frames have one owner.
        match unsafe { libc::fork() } {
            0 => {}
            -1 => sleep_ms(1),
            _ => exit(0),
        }
    }
}

/// Every process forks as fast as it may, bounded by its own user's RLIMIT_NPROC (argument, 400).
pub fn bomb(ctx: Ctx, args: &[String]) {
    let bound = args.first().and_then(|a| a.parse().ok()).unwrap_or(400u64).min(1000);
    let uid = stranger();
    // What forks in vain leave is freed after a grace period, which an emulated processor is slow to come to: 400 of them
    // that try again each millisecond fill gigabytes, with or without a killer.
    let pause = if std::env::var_os("KILLER_GUEST").is_some() { 10 } else { 1 };
    ctx.child(|| {
        become_user(&ctx, uid);
        limit_processes(&ctx, bound);
        reap_by_itself();
        while !ctx.over() {
            // SAFETY: one thread; each child goes on in the same loop: that is what makes it a bomb.
            if unsafe { libc::fork() } == -1 {
                sleep_ms(pause);
            }
        }
    });
    sleep_ms(300);
    ctx.ready(&format!("uid={uid}"));
    ctx.hold()
}

/// A root with as many sleeping children as the argument says.
pub fn star(ctx: Ctx, args: &[String]) {
    let count: u32 = args.first().and_then(|a| a.parse().ok()).unwrap_or(10);
    for _ in 0..count {
        ctx.child(|| ctx.hold());
    }
    ctx.ready(&format!("pid={} children={count}", pid()));
    ctx.hold()
}

/// A master with 70 workers that looks each millisecond whether one has ended. With an argument, a file, it writes that when all have;
/// else it replaces each: at most 5000.
pub fn master(ctx: Ctx, args: &[String]) {
    const WORKERS: u32 = 70;
    for _ in 0..WORKERS {
        ctx.child(|| ctx.hold());
    }
    ctx.ready(&format!("pid={}", pid()));
    let mut left = 5000;
    while !ctx.over() {
        // SAFETY: no status is asked for.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
            0 => sleep_ms(1),
            -1 if !args.is_empty() => {
                let _ = std::fs::write(&args[0], "all workers have ended");
                ctx.hold()
            }
            -1 => sleep_ms(1),
            _ if args.is_empty() && left > 0 => {
                left -= 1;
                let _ = ctx.try_child(|| ctx.hold());
            }
            _ => {}
        }
    }
}
