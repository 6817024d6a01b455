//! Members that fork all the time and count the signals they take: exactly one delivery along every path of descent.

use crate::ctx::{Ctx, exit, now_ms, pid, reap_by_itself, sleep_ms};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// In private memory, so a child begins with what its creator had taken when it forked.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Sum of the values that came with it.
static SUM: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    TAKEN.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel hands over a whole siginfo to a handler of SA_SIGINFO.
    SUM.fetch_add(unsafe { (*info).si_value().sival_ptr as usize as u32 }, Ordering::Relaxed);
}

/// Arguments: file, signal (RTMIN+1, which queues and never coalesces). Chains whose links fork and end, and families whose children live for a moment, until `FILE.stop` is
/// there; then whoever lives writes `PID SUM COUNT` and ends.
pub fn fork_count(ctx: Ctx, args: &[String]) {
    let Some(path) = args.first() else { ctx.fail("no file given") };
    let Ok(file) = OpenOptions::new().create(true).append(true).open(path) else {
        ctx.fail("open the journal")
    };
    let stop = shared(&ctx);
    handle(&ctx, signal_of(args));
    reap_by_itself();
    let last = |stop: &AtomicU32| {
        // Whatever is still owed has time to arrive.
        let end = now_ms() + 300;
        while now_ms() < end {
            sleep_ms(20);
        }
        assert!(stop.load(Ordering::Relaxed) == 1);
        let _ = (&file).write_all(
            format!("{} {} {}\n", pid(), SUM.load(Ordering::Relaxed), TAKEN.load(Ordering::Relaxed))
                .as_bytes(),
        );
        exit(0)
    };
    let going = || !ctx.over() && stop.load(Ordering::Relaxed) == 0;
    for _ in 0..6 {
        ctx.child(|| {
            while going() {
                // SAFETY: one thread; the child goes on in this loop and the parent ends.
                match unsafe { libc::fork() } {
                    0 => sleep_ms(2),
                    -1 => sleep_ms(1),
                    _ => exit(0),
                }
            }
            last(stop)
        });
    }
    for _ in 0..4 {
        ctx.child(|| {
            while going() {
                ctx.try_child(|| {
                    sleep_ms(10);
                    if !going() {
                        last(stop);
                    }
                });
                sleep_ms(1);
            }
            last(stop)
        });
    }
    ctx.ready("");
    while !ctx.over() && !Path::new(&format!("{path}.stop")).exists() {
        sleep_ms(5);
    }
    stop.store(1, Ordering::Relaxed);
    last(stop)
}

/// The signal in the second argument.
pub fn signal_of(args: &[String]) -> libc::c_int {
    args.get(1).and_then(|a| a.parse().ok()).unwrap_or(libc::SIGRTMIN() + 1)
}

/// A word that children share.
pub fn shared(ctx: &Ctx) -> &'static AtomicU32 {
    &shared_words(ctx)[0]
}

/// Some of them.
pub fn shared_words(ctx: &Ctx) -> &'static [AtomicU32; 16] {
    // SAFETY: a fresh anonymous mapping, shared with the children and never unmapped.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        ctx.fail("mmap");
    }
    // SAFETY: the mapping is zeroed, aligned and lives as long as the process.
    unsafe { &*page.cast::<[AtomicU32; 16]>() }
}

fn handle(ctx: &Ctx, signal: libc::c_int) {
    // SAFETY: an all-zero sigaction is valid: an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
    // SAFETY: the handler only adds to an atomic.
    if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } == -1 {
        ctx.fail("sigaction");
    }
}
