//! What a service holds, and who holds a service: a port and much memory; a tracer from outside.

use crate::ctx::{Ctx, pid};
use crate::kernel_asks::refused;
use std::net::TcpListener;

/// Arguments: number of children, MiB that each dirties. All share a listening socket.
pub fn server(ctx: Ctx, args: &[String]) {
    let number = |at: usize, or| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (children, mib) = (number(0, 4), number(1, 16));
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { ctx.fail("bind") };
    let Ok(address) = listener.local_addr() else { ctx.fail("getsockname") };
    let mut pids = vec![pid()];
    let (gate, open) = pipe(&ctx);
    for _ in 0..children {
        pids.push(ctx.child(|| {
            let memory = vec![1u8; (mib as usize) << 20];
            std::hint::black_box(&memory);
            // SAFETY: one byte from a live local; says that this one is complete.
            unsafe { libc::write(open, [0u8].as_ptr().cast(), 1) };
            ctx.hold()
        }));
    }
    for _ in 0..children {
        let mut byte = [0u8];
        // SAFETY: room for one byte.
        unsafe { libc::read(gate, byte.as_mut_ptr().cast(), 1) };
    }
    let pids: Vec<String> = pids.iter().map(|p| p.to_string()).collect();
    ctx.ready(&format!("port={} pids={}", address.port(), pids.join(",")));
    ctx.hold()
}

fn pipe(ctx: &Ctx) -> (i32, i32) {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } == -1 {
        ctx.fail("pipe");
    }
    (fds[0], fds[1])
}

/// An outsider that traces the process in its first argument and never lets it past its exit.
pub fn tracer(ctx: Ctx, args: &[String]) {
    let Some(victim) = args.first().and_then(|a| a.parse::<libc::pid_t>().ok()) else {
        ctx.fail("no PID given")
    };
    // SAFETY: SEIZE takes no addresses; the target is a member of the test's own service.
    if unsafe { libc::ptrace(libc::PTRACE_SEIZE, victim, 0, libc::PTRACE_O_TRACEEXIT) } == -1 {
        refused(&ctx, "PTRACE_SEIZE");
    }
    ctx.ready(&format!("pid={} victim={victim}", pid()));
    ctx.hold()
}
