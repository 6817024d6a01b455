//! Three who watch each other: any one that is left forks the other two again.

use crate::churn::shared_page;
use crate::ctx::{Ctx, exit, pid, pidfd_open, reap_by_itself, sleep_ms};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// The seats, in memory that all three share.
#[repr(C)]
struct Seats {
    /// Who sits there; 0 = free, -1 = somebody is about to fork its holder.
    holder: [AtomicI32; 3],
    /// Forks so far.
    forks: AtomicU32,
}

/// Forks at most: what bounds it when nobody kills it right.
const BOUND: u32 = 20_000;

/// The three; the facts name them.
pub fn revive_three(ctx: Ctx, _: &[String]) {
    reap_by_itself();
    let seats = shared(&ctx);
    seats.holder[0].store(pid(), Ordering::SeqCst);
    for n in 1..3 {
        seats.holder[n].store(-1, Ordering::SeqCst);
        let child = ctx.child(|| sit(ctx, seats, n));
        let _ = seats.holder[n].compare_exchange(-1, child, Ordering::SeqCst, Ordering::SeqCst);
    }
    let facts: Vec<String> =
        seats.holder.iter().map(|h| format!("pid={}", h.load(Ordering::SeqCst))).collect();
    ctx.ready(&facts.join(" "));
    watch(ctx, seats, 0)
}

fn shared(ctx: &Ctx) -> &'static Seats {
    // SAFETY: atomic integers may be zero, and so few are no page.
    unsafe { shared_page(ctx) }
}

fn sit(ctx: Ctx, seats: &'static Seats, n: usize) -> ! {
    seats.holder[n].store(pid(), Ordering::SeqCst);
    watch(ctx, seats, n)
}

fn watch(ctx: Ctx, seats: &'static Seats, me: usize) -> ! {
    let others = [(me + 1) % 3, (me + 2) % 3];
    while !ctx.over() {
        let mut fds = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 2];
        let mut held = [0; 2];
        for (at, &n) in others.iter().enumerate() {
            held[at] = seats.holder[n].load(Ordering::SeqCst);
            if held[at] > 0 {
                fds[at].fd = pidfd_open(held[at]);
            }
        }
        let gone =
            |at: usize, fds: &[libc::pollfd; 2]| held[at] > 0 && (fds[at].fd < 0 || fds[at].revents != 0);
        // SAFETY: two entries, ours; negative descriptors are passed over.
        unsafe { libc::poll(fds.as_mut_ptr(), 2, if held.contains(&-1) { 1 } else { 20 }) };
        for (at, &n) in others.iter().enumerate() {
            if gone(at, &fds)
                && seats.holder[n].compare_exchange(held[at], -1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
            {
                revive(ctx, seats, n);
            }
            // SAFETY: closes what was opened above; -1 is refused harmlessly.
            unsafe { libc::close(fds[at].fd) };
        }
    }
    exit(0)
}

fn revive(ctx: Ctx, seats: &'static Seats, n: usize) {
    if seats.forks.fetch_add(1, Ordering::SeqCst) >= BOUND {
        return;
    }
    match ctx.try_child(|| sit(ctx, seats, n)) {
        Some(child) => {
            let _ = seats.holder[n].compare_exchange(-1, child, Ordering::SeqCst, Ordering::SeqCst);
        }
        None => {
            sleep_ms(1);
            seats.holder[n].store(i32::MAX, Ordering::SeqCst);
        }
    }
}
