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

/// An outsider that traces the process in its first argument and never lets it past its exit. A second argument: its name has
/// bytes that a terminal would obey, and one that is no UTF-8.
pub fn tracer(ctx: Ctx, args: &[String]) {
    if args.len() > 1 {
        // SAFETY: a name with its NUL.
        unsafe { libc::prctl(libc::PR_SET_NAME, c"tra\xff\x1b(cer".as_ptr()) };
    }
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

/// Arguments: who (`main`, `child`, `orphan`), how many times 16 MiB are mapped (300). That one alone listens, and its end takes
/// long, although it has little memory: page after page has to be taken from it before its port is.
pub fn slow_end(ctx: Ctx, args: &[String]) {
    let who = args.first().map_or("child", String::as_str);
    let times = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(300);
    match who {
        "main" => slow(&ctx, times),
        "orphan" => {
            ctx.child(|| {
                ctx.child(|| slow(&ctx, times));
            });
        }
        _ => {
            ctx.child(|| slow(&ctx, times));
        }
    }
    ctx.hold()
}

fn slow(ctx: &Ctx, times: u32) -> ! {
    const SIZE: usize = 16 << 20;
    // SAFETY: a name, and no flags.
    let file = unsafe { libc::memfd_create(c"slow".as_ptr(), 0) };
    let content = vec![1u8; SIZE];
    // SAFETY: the bytes live across the call.
    if file < 0 || unsafe { libc::write(file, content.as_ptr().cast(), SIZE) } != SIZE as isize {
        ctx.fail("memfd");
    }
    for _ in 0..times {
        // SAFETY: new mappings at addresses of the kernel's choice, of a file that is as long.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), SIZE, libc::PROT_READ, libc::MAP_SHARED, file, 0) };
        if at == libc::MAP_FAILED {
            ctx.skip("16 MiB cannot be mapped so often");
        }
        // The kernel maps what is around, too (`mm/memory.c:do_fault_around`).
        for page in (0..SIZE).step_by(16 * 4096) {
            // SAFETY: within the mapping.
            std::hint::black_box(unsafe { at.cast::<u8>().add(page).read_volatile() });
        }
    }
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { ctx.fail("bind") };
    let Ok(address) = listener.local_addr() else { ctx.fail("getsockname") };
    ctx.ready(&format!("port={} heavy={}", address.port(), pid()));
    ctx.hold()
}
