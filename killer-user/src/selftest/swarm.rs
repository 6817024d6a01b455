//! Victims that never stand still: threads, chains, a bomb, a pair that revives each other, forkers that count signals.
//! Each birth costs a token, and what could overrun a host has a user of its own with RLIMIT_NPROC.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::bounds::need;
use super::ctx::{Behaviour, Ctx};
use crate::sys::{offspring, proc};

/// By name.
pub const ALL: &[Behaviour] = &[
    ("thread_storm", thread_storm),
    ("revivers", revivers),
    ("chains", chains),
    ("bomb", bomb),
    ("counters", counters),
];

fn nap(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Threads that make threads, some of which fork.
fn thread_storm(ctx: Ctx) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    ctx.confine(need("thread_storm", ctx.given.size));
    offspring::children_vanish();
    for lane in 0..ctx.given.size {
        let body = move || {
            let mut turn = lane;
            while !ctx.over() && ctx.token() {
                turn += 1;
                let forks = turn % 8 == 0;
                let work = move || {
                    if forks {
                        let _ = offspring::fork(|| nap(3));
                    }
                };
                match std::thread::Builder::new().stack_size(64 << 10).spawn(work) {
                    Ok(t) => drop(t.join()),
                    Err(_) => nap(1),
                }
                MADE.fetch_add(1, Ordering::Relaxed);
            }
            ctx.hold()
        };
        if std::thread::Builder::new().stack_size(128 << 10).spawn(body).is_err() {
            ctx.fail("a first thread could not be made");
        }
    }
    ctx.until("the storm did not rise", || MADE.load(Ordering::Relaxed) > 100);
    ctx.ready(None, "");
    ctx.hold()
}

/// Two processes that watch each other: when one dies, the other forks a new one.
fn revivers(ctx: Ctx) {
    offspring::children_vanish();
    let me = nix::unistd::getpid().as_raw() as u32;
    let partner = ctx.child(|| {
        ctx.ready(Some(2), "");
        guard(ctx, me)
    });
    guard(ctx, partner as u32)
}

fn guard(ctx: Ctx, mut partner: u32) {
    loop {
        // Gone already: no pidfd, and the next one is made at once.
        if let Ok(fd) = proc::pidfd_open(partner) {
            while !proc::pidfd_ended(&fd) {
                if ctx.over() {
                    return;
                }
                proc::pidfd_wait(&fd, Duration::from_millis(20));
            }
        }
        if ctx.over() || !ctx.token() {
            ctx.hold();
        }
        let me = nix::unistd::getpid().as_raw() as u32;
        match offspring::fork(|| guard(ctx, me)) {
            Ok(pid) => partner = pid as u32,
            Err(_) => nap(1),
        }
    }
}

/// Chains: each link forks the next and ends at once; the root goes, too.
fn chains(ctx: Ctx) {
    ctx.confine(need("chains", ctx.given.size));
    offspring::children_vanish();
    for _ in 0..ctx.given.size {
        ctx.child(|| hop(ctx));
    }
    nap(20);
    ctx.ready(None, "");
}

fn hop(ctx: Ctx) {
    while !ctx.over() {
        if !ctx.token() {
            ctx.hold();
        }
        match offspring::fork_on() {
            Ok(None) => {}
            Ok(Some(_)) => offspring::exit(0),
            Err(_) => nap(1),
        }
    }
}

/// Every process forks as fast as it may.
fn bomb(ctx: Ctx) {
    ctx.child(|| {
        ctx.confine(need("bomb", ctx.given.size));
        offspring::children_vanish();
        ctx.child(|| {
            nap(60);
            ctx.ready(None, "");
        });
        while !ctx.over() {
            if !ctx.token() {
                ctx.hold();
            }
            if offspring::fork_on().is_err() {
                nap(1);
            }
        }
    });
    ctx.hold()
}

/// Chains and families that fork all the time and count a signal, until they are told to stop; then each that lives tells
/// what came along its line of descent.
fn counters(ctx: Ctx) {
    ctx.must("sigaction", offspring::listen(ctx.given.signal));
    ctx.confine(need("counters", ctx.given.size));
    offspring::children_vanish();
    for _ in 0..ctx.given.size {
        ctx.child(|| {
            while !ctx.stopped() && ctx.token() {
                match offspring::fork_on() {
                    Ok(None) => nap(1),
                    Ok(Some(_)) => offspring::exit(0),
                    Err(_) => nap(1),
                }
            }
            last(&ctx)
        });
    }
    for _ in 0..ctx.given.size / 2 {
        ctx.child(|| {
            while !ctx.stopped() && ctx.token() {
                let _ = offspring::fork(|| {
                    nap(8);
                    if ctx.stopped() {
                        last(&ctx);
                    }
                });
                nap(1);
            }
            last(&ctx)
        });
    }
    ctx.ready(None, "");
    last(&ctx)
}

/// Waits for the end, and for what is still owed.
fn last(ctx: &Ctx) {
    while !ctx.stopped() {
        nap(5);
    }
    let end = std::time::Instant::now() + Duration::from_millis(200);
    while std::time::Instant::now() < end {
        nap(10);
    }
    ctx.tell(offspring::taken());
    offspring::exit(0)
}
