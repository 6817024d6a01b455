//! Processes in which one thread forks all the time while another takes the signals: the hard case of "once along every
//! line of descent", because a signal can be taken in the middle of a fork.
//!
//! What a child is to start with is what its creator had taken when the fork *began*: the forking thread reads it right
//! before, and the taking thread takes nothing from then on until the fork is well under way. So there is one right
//! number for each, whenever the signal comes.

use crate::churn::{shared_words, signal_of};
use crate::ctx::{Ctx, exit, now_ns, pid, reap_by_itself, sleep_ms, sleep_us};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);
/// When the fork under way began, 0: none. Two flags, each set before the other is looked at.
static FORKING: AtomicU64 = AtomicU64::new(0);
static TAKING: AtomicBool = AtomicBool::new(false);
/// From here on a fork has certainly entered the kernel.
const ENTERED_NS: u64 = 400_000;
/// Makes a fork take milliseconds: page tables to copy.
const BALLAST: usize = 128 << 20;

/// Arguments: file, signal. Until `FILE.stop` is there; then whoever lives writes `PID INSIDE COUNT` and ends.
pub fn fork_threads(ctx: Ctx, args: &[String]) {
    let Some(path) = args.first() else { ctx.fail("no file given") };
    let Ok(file) = OpenOptions::new().create(true).append(true).open(path) else {
        ctx.fail("open the journal")
    };
    let [stop, inside, ..] = shared_words(&ctx);
    let signal = signal_of(args);
    reap_by_itself();
    // SAFETY: an all-zero sigset is valid storage, filled at once; threads and children inherit the mask.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    let ballast = vec![0u8; BALLAST].leak();
    // SAFETY: our own memory, rounded inwards to whole pages; only how it is mapped changes.
    unsafe {
        let at = (ballast.as_mut_ptr() as usize).next_multiple_of(4096);
        libc::madvise(at as *mut libc::c_void, BALLAST - 4096, libc::MADV_NOHUGEPAGE);
    }
    ballast.iter_mut().step_by(4096).for_each(|b| *b = 1);
    let file: &'static File = Box::leak(Box::new(file));
    let family: &'static Family = Box::leak(Box::new(Family { ctx, file, stop, inside, signal }));
    for _ in 0..2 {
        ctx.child(|| family.line(true));
    }
    ctx.child(|| family.line(false));
    ctx.ready("");
    family.start_taking();
    while !ctx.over() && !Path::new(&format!("{path}.stop")).exists() {
        sleep_ms(5);
    }
    stop.store(1, Ordering::Relaxed);
    family.last()
}

#[derive(Clone, Copy)]
struct Family {
    ctx: Ctx,
    file: &'static File,
    stop: &'static AtomicU32,
    /// Signals that somebody took while his fork was under way.
    inside: &'static AtomicU32,
    signal: libc::c_int,
}

impl Family {
    fn going(&self) -> bool {
        !self.ctx.over() && self.stop.load(Ordering::Relaxed) == 0
    }

    /// Whatever is still owed has time to arrive.
    fn last(&self) -> ! {
        let end = now_ns() + 400_000_000;
        while now_ns() < end {
            sleep_ms(20);
        }
        let (inside, taken) = (self.inside.load(Ordering::Relaxed), TAKEN.load(Ordering::SeqCst));
        let _ = (&mut &*self.file).write_all(format!("{} {inside} {taken}\n", pid()).as_bytes());
        exit(0)
    }

    /// The thread that takes signals, one look after the other.
    fn take(&self) -> ! {
        // SAFETY: an all-zero sigset is valid storage, filled at once.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is ours.
        unsafe {
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, self.signal);
        }
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            TAKING.store(true, Ordering::SeqCst);
            let begun = FORKING.load(Ordering::SeqCst);
            if begun == 0 || now_ns() - begun > ENTERED_NS {
                // SAFETY: set and timeout are ours.
                if unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), &now) } == self.signal {
                    TAKEN.fetch_add(1, Ordering::SeqCst);
                    if begun != 0 && FORKING.load(Ordering::SeqCst) == begun {
                        self.inside.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            TAKING.store(false, Ordering::SeqCst);
            sleep_us(100);
        }
    }

    /// Forks every few milliseconds; in a chain the child goes on and the creator ends.
    fn line(&'static self, chain: bool) -> ! {
        // A thread that is not kept from its system call once it has read the number.
        urgent();
        self.start_taking();
        loop {
            if !self.going() {
                self.last();
            }
            sleep_ms(4);
            FORKING.store(now_ns(), Ordering::SeqCst);
            while TAKING.load(Ordering::SeqCst) {
                sleep_us(20);
            }
            FORKING.store(now_ns(), Ordering::SeqCst);
            let before = TAKEN.load(Ordering::SeqCst);
            // SAFETY: the child only runs code of this program and ends with _exit.
            match unsafe { libc::fork() } {
                0 => {
                    TAKEN.store(before, Ordering::SeqCst);
                    FORKING.store(0, Ordering::SeqCst);
                    TAKING.store(false, Ordering::SeqCst);
                    if !chain {
                        self.brief();
                    }
                    urgent();
                    self.start_taking();
                }
                -1 => FORKING.store(0, Ordering::SeqCst),
                _ if chain => {
                    sleep_ms(1);
                    exit(0)
                }
                _ => FORKING.store(0, Ordering::SeqCst),
            }
        }
    }

    /// A child that lives for a moment.
    fn brief(&'static self) -> ! {
        self.start_taking();
        sleep_ms(25);
        if !self.going() {
            self.last();
        }
        exit(0)
    }

    /// On a stack that every process of the family uses again: the creator's thread is not in the child.
    fn start_taking(&'static self) {
        extern "C" fn take(family: *mut libc::c_void) -> *mut libc::c_void {
            // SAFETY: what `start_taking` has passed, alive as long as the process.
            unsafe { &*family.cast::<Family>() }.take()
        }
        static STACK: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let stack = *STACK.get_or_init(|| vec![0u8; (256 << 10) + 4096].leak().as_mut_ptr() as usize);
        // SAFETY: the stack is ours, aligned, never freed, and no other thread of this process is on it.
        unsafe {
            let mut attr: libc::pthread_attr_t = std::mem::zeroed();
            let mut thread: libc::pthread_t = std::mem::zeroed();
            libc::pthread_attr_init(&mut attr);
            libc::pthread_attr_setstack(
                &mut attr,
                stack.next_multiple_of(4096) as *mut libc::c_void,
                256 << 10,
            );
            let at = std::ptr::from_ref(self).cast_mut().cast();
            if libc::pthread_create(&mut thread, &attr, take, at) != 0 {
                self.ctx.fail("pthread_create");
            }
        }
    }
}

fn urgent() {
    // `struct sched_param` is a priority; the call itself, because musl's function answers ENOSYS.
    let priority = 2i32;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: numbers and a struct of the kernel's that lives through the call; pid 0 is this thread.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
}
