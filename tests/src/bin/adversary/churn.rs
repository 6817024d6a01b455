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

/// How its signal is taken.
#[derive(Clone, Copy)]
enum Take {
    Handler,
    /// From a signalfd, which is blocked elsewhere.
    Fd(libc::c_int),
    /// By sigtimedwait(2), blocked as well.
    Wait(libc::c_int),
}

impl Take {
    /// Takes all that is there. Values count only when they came as sigqueue(3) sends them.
    fn all(self) {
        const SI_QUEUE: i32 = -1;
        let count = |code: i32, value: u32| {
            TAKEN.fetch_add(1, Ordering::Relaxed);
            if code == SI_QUEUE {
                SUM.fetch_add(value, Ordering::Relaxed);
            }
        };
        match self {
            Take::Handler => {}
            Take::Fd(fd) => loop {
                // SAFETY: plain integers.
                let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
                let size = size_of_val(&info);
                // SAFETY: the kernel writes at most `size` bytes.
                if unsafe { libc::read(fd, (&raw mut info).cast(), size) } != size as isize {
                    return;
                }
                count(info.ssi_code, info.ssi_int as u32);
            },
            Take::Wait(signal) => {
                let (set, none) = (only(signal), libc::timespec { tv_sec: 0, tv_nsec: 0 });
                // SAFETY: plain integers.
                let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
                // SAFETY: all three are ours and live.
                while unsafe { libc::sigtimedwait(&set, &mut info, &none) } == signal {
                    // SAFETY: the union is plain integers.
                    count(info.si_code, unsafe { info.si_value().sival_ptr as usize as u32 });
                }
            }
        }
    }
}

fn only(signal: libc::c_int) -> libc::sigset_t {
    // SAFETY: an all-zero sigset is valid storage, filled at once.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        set
    }
}

fn take(ctx: &Ctx, signal: libc::c_int, how: Option<&str>) -> Take {
    if how.is_none() {
        handle(ctx, signal);
        return Take::Handler;
    }
    let set = only(signal);
    // SAFETY: the set is ours; one thread.
    let fd = unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::signalfd(-1, &set, libc::SFD_NONBLOCK)
    };
    match how {
        Some("signalfd") if fd >= 0 => Take::Fd(fd),
        Some("sigwait") => Take::Wait(signal),
        _ => ctx.fail("signalfd"),
    }
}

/// Arguments: file, signal (RTMIN+1, which queues and never coalesces), how it is taken (a handler, `signalfd`, `sigwait`). Chains whose links fork and end, and families whose children live for a moment, until `FILE.stop` is
/// there; then whoever lives writes `PID SUM COUNT` and ends.
pub fn fork_count(ctx: Ctx, args: &[String]) {
    let Some(path) = args.first() else { ctx.fail("no file given") };
    let Ok(file) = OpenOptions::new().create(true).append(true).open(path) else {
        ctx.fail("open the journal")
    };
    let stop = shared(&ctx);
    let take = take(&ctx, signal_of(args), args.get(2).map(String::as_str));
    reap_by_itself();
    let last = |stop: &AtomicU32| {
        // Whatever is still owed has time to arrive.
        let end = now_ms() + 300;
        while now_ms() < end {
            sleep_ms(20);
            take.all();
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
                take.all();
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
                take.all();
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
        take.all();
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
    // SAFETY: atomic integers may be zero, and 16 of them are no page.
    unsafe { shared_page(ctx) }
}

/// A zeroed page that children share.
///
/// # Safety
/// A `T` may be all zeroes, and is no longer than a page.
pub unsafe fn shared_page<T>(ctx: &Ctx) -> &'static T {
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
    // SAFETY: the caller's; the mapping is zeroed, aligned and lives as long as the process.
    unsafe { &*page.cast::<T>() }
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
