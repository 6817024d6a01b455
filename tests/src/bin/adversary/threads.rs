//! Thread groups in odd states: no leader, a leader that was replaced, threads coming and going.

use crate::ctx::{Ctx, exit, pid, reap, reap_by_itself, sleep_ms, state_of, until};
use std::sync::atomic::{AtomicU32, Ordering};

/// The leader thread is dead (a zombie), another thread lives and forks on.
pub fn leader_exits(ctx: Ctx, _: &[String]) {
    let leader = pid();
    std::thread::spawn(move || {
        until(&ctx, "the leader did not die", || state_of(leader) == Some('Z'));
        let child = ctx.child(|| ctx.hold());
        ctx.ready(&format!("leader={leader} child={child}"));
        for _ in 0..20_000 {
            if ctx.over() {
                break;
            }
            let brief = ctx.child(|| exit(0));
            reap(brief);
            sleep_ms(2);
        }
        ctx.hold()
    });
    // SAFETY: SYS_exit ends this thread alone; the closure of the other thread owns all it uses.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// A thread that is not the leader execs: it takes the leader's number, the old leader is gone.
pub fn exec_nonleader(ctx: Ctx, _: &[String]) {
    for _ in 0..3 {
        // Idle threads that exec has to end as well.
        std::thread::spawn(move || ctx.hold());
    }
    std::thread::spawn(move || {
        sleep_ms(20);
        ctx.exec("plain", &[])
    });
    ctx.hold()
}

/// Threads that make threads, some of which fork: there is never a quiet moment to list anything.
pub fn storm(ctx: Ctx, _: &[String]) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    const BOUND: u32 = 400_000;
    reap_by_itself();
    for lane in 0..8 {
        std::thread::spawn(move || {
            let mut turn = lane;
            while !ctx.over() && MADE.fetch_add(1, Ordering::Relaxed) < BOUND {
                turn += 1;
                let forks = turn % 16 == 0;
                let work = move || {
                    if forks {
                        ctx.try_child(|| sleep_ms(5));
                    }
                };
                if let Ok(t) = std::thread::Builder::new().stack_size(64 << 10).spawn(work) {
                    let _ = t.join();
                }
            }
        });
    }
    until(&ctx, "the storm did not rise", || MADE.load(Ordering::Relaxed) > 200);
    ctx.ready("");
    ctx.hold()
}

/// Processes whose leader ends beside threads that fork, end and execute, so many of them as `args` says, eight at a time. When all of
/// them are gone it is ready, and says how many processes there were.
pub fn leaderless(ctx: Ctx, args: &[String]) {
    let rounds: u32 = args.first().and_then(|a| a.parse().ok()).unwrap_or(200);
    let mut processes = 1u32;
    let mut at = Vec::new();
    for n in 0..rounds {
        if ctx.over() {
            break;
        }
        at.push(ctx.child(|| without_leader(ctx, n)));
        processes += 1 + forks_of(n);
        if at.len() == 8 {
            at.drain(..).for_each(|pid| {
                reap(pid);
            });
        }
    }
    at.drain(..).for_each(|pid| {
        reap(pid);
    });
    ctx.ready(&format!("processes={processes}"));
    ctx.hold()
}

/// Another program, which ends at once. Not by /proc/self: that is its leader's, which may have ended.
fn executes() -> ! {
    let (path, argv) = (c"/bin/true", [c"true".as_ptr(), std::ptr::null()]);
    // SAFETY: the vector is NULL-terminated and lives, with its string.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    exit(127)
}

/// How many processes the n-th of them forks.
fn forks_of(n: u32) -> u32 {
    n % 3
}

fn without_leader(ctx: Ctx, n: u32) {
    let spin = |turns: u32| (0..turns).for_each(|_| std::hint::spin_loop());
    // SAFETY: SYS_exit ends this thread alone.
    let end = || unsafe { libc::syscall(libc::SYS_exit, 0) };
    for lane in 0..2 {
        std::thread::spawn(move || {
            spin(n.wrapping_mul(2_654_435_761) >> 18);
            if lane == 0 {
                for _ in 0..forks_of(n) {
                    reap(ctx.child(|| exit(0)));
                }
            }
            match (n % 4, lane) {
                (0, 0) => exit(0),
                (1, 0) => executes(),
                // Alone, one after the other.
                _ => end(),
            }
        });
    }
    spin(n.wrapping_mul(40_503) >> 14);
    end();
}
