//! Processes in which one thread forks all the time while another takes the signals: the hard case of "once along every
//! line of descent", because a signal can be taken in the middle of a fork.
//!
//! What a child is to start with is what its creator had taken when the fork *began*: the forking thread reads it right
//! before, and the taking thread takes nothing from then on until the kernel has told it that the fork is in the middle of copying
//! memory, where it waits until the taking thread lets it go on (userfaultfd's event for a fork, `fs/userfaultfd.c`:
//! `dup_userfaultfd_complete`, 4.11+). So there is one right number for each, whenever the signal comes, on however busy a machine.

use crate::churn::{shared_words, signal_of};
use crate::ctx::{Ctx, exit, now_ns, pid, reap_by_itself, sleep_ms, sleep_us};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};

static TAKEN: AtomicU32 = AtomicU32::new(0);
/// A fork is about to begin, or under way. Two flags, each set before the other is looked at.
static FORKING: AtomicBool = AtomicBool::new(false);
static TAKING: AtomicBool = AtomicBool::new(false);
/// When a signal was taken in the middle of the fork under way; 0: none was.
static INSIDE: AtomicU64 = AtomicU64::new(0);
/// Where this process is told of its forks.
static FORKS: AtomicI32 = AtomicI32::new(-1);
/// A page that this process's kernel events are about; 0: none.
static PAGE: AtomicUsize = AtomicUsize::new(0);
const PAGE_SIZE: usize = 4096;
/// How long a fork waits for a signal that can be taken in the middle of it, and how long it goes on waiting after that.
const HELD: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 8_000_000 };
const AFTER_US: u64 = 2000;

/// Arguments: file, signal. Until `FILE.stop` is there; then whoever lives writes `PID INSIDE COUNT LONGEST` and ends.
pub fn fork_threads(ctx: Ctx, args: &[String]) {
    let Some(path) = args.first() else { ctx.fail("no file given") };
    let Ok(file) = OpenOptions::new().create(true).append(true).open(path) else {
        ctx.fail("open the journal")
    };
    let [stop, inside, longest, ..] = shared_words(&ctx);
    let signal = signal_of(args);
    reap_by_itself();
    // SAFETY: an all-zero sigset is valid storage, filled at once; threads and children inherit the mask.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    let file: &'static File = Box::leak(Box::new(file));
    let family: &'static Family = Box::leak(Box::new(Family { ctx, file, stop, inside, longest, signal }));
    // Asked here, so that a machine that lacks it is told before there are children.
    if let Err(why) = watch_forks() {
        ctx.skip(&format!("no events of forks (userfaultfd): {why}"));
    }
    // Nobody would read them before there is a thread that takes signals.
    watch_no_forks();
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
    /// The longest time that such a fork went on after that, µs.
    longest: &'static AtomicU32,
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
        let (inside, longest) = (self.inside.load(Ordering::Relaxed), self.longest.load(Ordering::Relaxed));
        let taken = TAKEN.load(Ordering::SeqCst);
        let _ = (&mut &*self.file).write_all(format!("{} {inside} {taken} {longest}\n", pid()).as_bytes());
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
        let taken = |most: &libc::timespec| {
            // SAFETY: set and timeout are ours.
            let it = unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), most) } == self.signal;
            TAKEN.fetch_add(u32::from(it), Ordering::SeqCst);
            it
        };
        loop {
            TAKING.store(true, Ordering::SeqCst);
            if !FORKING.load(Ordering::SeqCst) {
                taken(&now);
            } else if in_a_fork() {
                if taken(&HELD) {
                    self.inside.fetch_add(1, Ordering::Relaxed);
                    INSIDE.store(now_ns(), Ordering::SeqCst);
                    sleep_us(AFTER_US);
                }
                let_it_go_on();
            }
            TAKING.store(false, Ordering::SeqCst);
            sleep_us(100);
        }
    }

    /// Forks every few milliseconds; in a chain the child goes on and the creator ends.
    fn line(&'static self, chain: bool) -> ! {
        self.watch();
        self.start_taking();
        loop {
            if !self.going() {
                self.last();
            }
            sleep_ms(4);
            FORKING.store(true, Ordering::SeqCst);
            while TAKING.load(Ordering::SeqCst) {
                sleep_us(20);
            }
            let before = TAKEN.load(Ordering::SeqCst);
            // SAFETY: the child only runs code of this program and ends with _exit.
            let child = unsafe { libc::fork() };
            let at = INSIDE.swap(0, Ordering::SeqCst);
            if at != 0 && child > 0 {
                self.longest.fetch_max(((now_ns() - at) / 1000) as u32, Ordering::Relaxed);
            }
            match child {
                0 => {
                    TAKEN.store(before, Ordering::SeqCst);
                    FORKING.store(false, Ordering::SeqCst);
                    TAKING.store(false, Ordering::SeqCst);
                    if !chain {
                        self.brief();
                    }
                    self.watch();
                    self.start_taking();
                }
                -1 => FORKING.store(false, Ordering::SeqCst),
                _ if chain => {
                    sleep_ms(1);
                    exit(0)
                }
                _ => FORKING.store(false, Ordering::SeqCst),
            }
        }
    }

    fn watch(&self) {
        if let Err(e) = watch_forks() {
            self.ctx.fail(&format!("events of forks: {e}"));
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

/// Closes what [`watch_forks`] has opened, here or in the creator.
fn watch_no_forks() {
    let (fd, page) = (FORKS.swap(-1, Ordering::SeqCst), PAGE.swap(0, Ordering::SeqCst));
    // SAFETY: a descriptor and a page of `watch_forks`, which nobody uses any more.
    unsafe {
        if fd >= 0 {
            libc::close(fd);
        }
        if page != 0 {
            libc::munmap(page as *mut libc::c_void, PAGE_SIZE);
        }
    }
}

/// Opens the kernel's events of forks for this process, instead of its creator's.
fn watch_forks() -> std::io::Result<()> {
    const API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
    const REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
    const EVENT_FORK: u64 = 1 << 1;
    const MISSING: u64 = 1;
    let done = |r: i64| if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(r) };
    watch_no_forks();
    // SAFETY: a new descriptor and a new page; requests are arrays of the size that the numbers of the calls say
    // (`include/uapi/linux/userfaultfd.h`).
    unsafe {
        let fd = done(libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK))? as i32;
        let mut api = [0xaau64, EVENT_FORK, 0];
        done(libc::ioctl(fd, API, api.as_mut_ptr()).into())?;
        let (rw, anonymous) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // Not one that its creator's events are about: that one's are given up at some later time.
        let page = libc::mmap(std::ptr::null_mut(), PAGE_SIZE, rw, anonymous, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let mut range = [page as u64, PAGE_SIZE as u64, MISSING, 0];
        done(libc::ioctl(fd, REGISTER, range.as_mut_ptr()).into())?;
        FORKS.store(fd, Ordering::SeqCst);
        PAGE.store(page as usize, Ordering::SeqCst);
    }
    Ok(())
}

/// True when a fork of this process waits in the middle of copying memory.
fn in_a_fork() -> bool {
    let mut forks = libc::pollfd { fd: FORKS.load(Ordering::SeqCst), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, ours.
    unsafe { libc::poll(&mut forks, 1, 0) == 1 && forks.revents & libc::POLLIN != 0 }
}

/// Reads the event, for which the fork waits; its child is nothing that we want to know of.
fn let_it_go_on() {
    let mut event = [0u32; 8];
    // SAFETY: `struct uffd_msg` has 32 bytes; the third word is the descriptor of the child's events.
    unsafe {
        if libc::read(FORKS.load(Ordering::SeqCst), event.as_mut_ptr().cast(), 32) == 32 {
            libc::close(event[2] as i32);
        }
    }
}
