//! Members that leave a mark in shared memory with every step: one that is held still leaves none, and a newborn that
//! never runs leaves none.

use crate::ctx::{Ctx, exit, now_ns, pointers, reap, reap_by_itself, sleep_us};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that were made; errors that the program saw; the last of them; when the fork began (ns) of the youngest child
/// that has run code of its own; how many such children there were.
struct Marks(&'static [AtomicU64; 8]);

impl Marks {
    fn step(&self) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self) {
        self.0[2]
            .store(std::io::Error::last_os_error().raw_os_error().unwrap_or(0) as u64, Ordering::Relaxed);
        self.0[1].fetch_add(1, Ordering::Relaxed);
        sleep_us(500);
    }

    fn ran(&self, begun: u64) {
        self.0[3].fetch_max(begun, Ordering::SeqCst);
        self.0[4].fetch_add(1, Ordering::Relaxed);
    }
}

/// Arguments: file, kinds joined by `+`: chains, families, threads, spawn, spin, rest.
pub fn tick(ctx: Ctx, args: &[String]) {
    let (Some(path), Some(kinds)) = (args.first(), args.get(1)) else { ctx.fail("no file or no kind given") };
    let marks = map(&ctx, path);
    for kind in kinds.split('+') {
        let act: fn(Ctx, &Marks) = match kind {
            "chains" => chain,
            "families" => family,
            "threads" => threads,
            "spawn" => spawn,
            "spin" => spin,
            "rest" => rest,
            _ => ctx.fail("no such kind"),
        };
        let copies = if matches!(kind, "chains" | "families") { 5 } else { 1 };
        for _ in 0..copies {
            ctx.child(|| act(ctx, &marks));
        }
    }
    ctx.ready("");
    while !ctx.over() {
        marks.step();
        sleep_us(1000);
    }
}

/// Leaves no mark and forks nobody: no hook comes by, only a signal stops it.
fn rest(ctx: Ctx, _: &Marks) {
    while !ctx.over() {
        sleep_us(1_000_000);
    }
}

/// Without a system call.
fn spin(ctx: Ctx, marks: &Marks) {
    while !ctx.over() {
        (0..1000).for_each(|_| marks.step());
    }
}

fn chain(ctx: Ctx, marks: &Marks) {
    reap_by_itself();
    while !ctx.over() {
        marks.step();
        // SAFETY: one thread; the child goes on in this loop and the parent ends.
        match unsafe { libc::fork() } {
            0 => sleep_us(1500),
            -1 => marks.error(),
            _ => exit(0),
        }
    }
}

fn family(ctx: Ctx, marks: &Marks) {
    while !ctx.over() {
        marks.step();
        let begun = now_ns();
        match ctx.try_child(|| marks.ran(begun)) {
            Some(pid) => drop(reap(pid)),
            None => marks.error(),
        }
        sleep_us(300);
    }
}

fn threads(ctx: Ctx, marks: &Marks) {
    std::thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !ctx.over() {
                    marks.step();
                    sleep_us(500);
                }
            });
        }
        s.spawn(|| family(ctx, marks));
    });
}

/// posix_spawn(3): a vfork whose child execs.
fn spawn(ctx: Ctx, marks: &Marks) {
    let argv = [c"/proc/self/exe".to_owned()];
    let argv = pointers(&argv);
    let env = pointers(&[]);
    while !ctx.over() {
        marks.step();
        let mut child = 0;
        // SAFETY: all pointers are to live objects; vectors end in NULL. Without arguments the program ends at once.
        let rc = unsafe {
            libc::posix_spawn(
                &mut child,
                c"/proc/self/exe".as_ptr(),
                std::ptr::null(),
                std::ptr::null(),
                argv.as_ptr().cast(),
                env.as_ptr().cast(),
            )
        };
        if rc == 0 {
            reap(child);
        } else {
            marks.error();
        }
        sleep_us(1000);
    }
}

fn map(ctx: &Ctx, path: &str) -> Marks {
    let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open(path) else {
        ctx.fail("open the marks")
    };
    // SAFETY: a fresh shared mapping of the file's first page, never unmapped.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if page == libc::MAP_FAILED {
        ctx.fail("mmap");
    }
    // SAFETY: aligned, large enough, and lives as long as the process; all access is atomic.
    Marks(unsafe { &*page.cast::<[AtomicU64; 8]>() })
}
