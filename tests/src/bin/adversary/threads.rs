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
