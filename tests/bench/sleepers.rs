//! The victims of `cargo xtask bench`: a small static program without dependencies, compiled by rustc alone.
//!
//! `nursery CMD…` starts CMD and reaps whoever is orphaned below. `star|chain|orphans N CGROUP` is a service of N
//! sleepers, whose stdout is the pipe that only they hold; an `R` on it says that all are there. `stay N CGROUP`
//! is a star that survives TERM. `forks N` and `vforks N` print how long N children took, in nanoseconds; with `same`
//! or `other` as third word parent and children have one processor, or the children move to another one before they end.
//! `kill` ends the processes whose numbers are on stdin.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::time::Instant;

unsafe extern "C" {
    fn fork() -> c_int;
    fn vfork() -> c_int;
    fn _exit(code: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn pause() -> c_int;
    fn alarm(seconds: c_uint) -> c_uint;
    fn setsid() -> c_int;
    fn close(fd: c_int) -> c_int;
    fn write(fd: c_int, bytes: *const u8, n: usize) -> isize;
    fn execv(path: *const c_char, argv: *const *const c_char) -> c_int;
    fn execvp(path: *const c_char, argv: *const *const c_char) -> c_int;
    fn prctl(option: c_int, value: usize, ...) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn sched_getaffinity(pid: c_int, size: usize, mask: *mut u64) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const u64) -> c_int;
    fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> usize;
}

/// After this nobody lives on, whatever became of the benchmark.
const LIFETIME: c_uint = 300;
const PR_SET_CHILD_SUBREAPER: c_int = 36;
const SIGKILL: c_int = 9;
const SIGTERM: c_int = 15;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[1..] {
        ["nursery", ..] => nursery(&args[2..]),
        ["kill"] => kill_all(),
        [kind @ ("forks" | "vforks"), n, place] => {
            let [first, second] = processors();
            stay_on(first);
            let other = (place == "other").then_some(second);
            children(n.parse().expect("a number"), kind == "vforks", other);
        }
        [shape, n, cgroup] => {
            let n: usize = n.parse().expect("a number");
            if cgroup != "-" {
                std::fs::write(format!("{cgroup}/cgroup.procs"), "0").expect("cgroup.procs");
            }
            match shape {
                "star" => star(n),
                "stay" => stay(n),
                "orphans" => orphans(n),
                _ => chain(n),
            }
        }
        [kind @ ("forks" | "vforks"), n] => children(n.parse().expect("a number"), kind == "vforks", None),
        _ => panic!("what?"),
    }
}

fn sleep() -> ! {
    // SAFETY: these touch no memory.
    unsafe {
        alarm(LIFETIME);
        loop {
            pause();
        }
    }
}

fn ready() {
    // SAFETY: one byte that is there.
    unsafe { write(1, b"R".as_ptr(), 1) };
}

/// `f` in a child; the parent goes on with its PID.
fn child(f: impl FnOnce()) -> c_int {
    // SAFETY: there is one thread, so the child may do anything.
    let pid = unsafe { fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        f();
        // SAFETY: ends the child.
        unsafe { _exit(0) };
    }
    pid
}

fn star(n: usize) {
    for _ in 1..n {
        child(|| sleep());
    }
    ready();
    sleep()
}

fn stay(n: usize) {
    extern "C" fn nothing(_: c_int) {}
    // SAFETY: the handler does nothing.
    unsafe { signal(SIGTERM, nothing) };
    star(n)
}

fn orphans(n: usize) {
    for _ in 1..n {
        let middle = child(|| {
            child(|| {
                // SAFETY: touches no memory.
                unsafe { setsid() };
                sleep()
            });
        });
        // SAFETY: no status is asked for.
        unsafe { waitpid(middle, std::ptr::null_mut(), 0) };
    }
    ready();
    sleep()
}

/// Every link is a fresh program: forks alone would pile up anon_vmas, which is quadratic in the kernel.
fn chain(n: usize) {
    if n <= 1 {
        ready();
        sleep()
    }
    let next = std::env::args().next().expect("own name");
    child(|| {
        let words = [next.as_str(), "chain", &(n - 1).to_string(), "-"].map(|w| CString::new(w).expect("no zero byte"));
        exec(&words, execv)
    });
    sleep()
}

fn exec(words: &[CString], how: unsafe extern "C" fn(*const c_char, *const *const c_char) -> c_int) {
    let argv: Vec<*const c_char> = words.iter().map(|w| w.as_ptr()).chain([std::ptr::null()]).collect();
    // SAFETY: a NULL-terminated vector of strings that live on.
    unsafe { how(words[0].as_ptr(), argv.as_ptr()) };
    eprintln!("exec {:?}: {}", words[0], std::io::Error::last_os_error());
}

fn nursery(command: &[String]) {
    // SAFETY: touches no memory.
    unsafe { prctl(PR_SET_CHILD_SUBREAPER, 1) };
    let words: Vec<CString> = command.iter().map(|w| CString::new(w.as_str()).expect("no zero byte")).collect();
    child(|| exec(&words, execvp));
    // SAFETY: nobody here writes to it; the pipe is the victims' alone. No status is asked for.
    unsafe {
        close(1);
        while waitpid(-1, std::ptr::null_mut(), 0) > 0 {}
    }
}

fn kill_all() {
    let numbers = std::io::read_to_string(std::io::stdin()).expect("numbers");
    for number in numbers.split_whitespace() {
        // SAFETY: touches no memory.
        unsafe { kill(number.parse().expect("a number"), SIGKILL) };
    }
}

/// Processors of a mask.
const MOST: usize = 1024;

/// The first two that this process may use; of one alone, that one twice.
fn processors() -> [usize; 2] {
    let mut mask = [0u64; MOST / 64];
    // SAFETY: the mask is as large as it is said to be.
    let there = unsafe { sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr()) };
    assert!(there >= 0, "sched_getaffinity: {}", std::io::Error::last_os_error());
    let mut ours = (0..MOST).filter(|cpu| mask[cpu / 64] >> (cpu % 64) & 1 != 0);
    let first = ours.next().expect("a processor");
    [first, ours.next().unwrap_or(first)]
}

fn stay_on(processor: usize) {
    let mut mask = [0u64; MOST / 64];
    mask[processor / 64] |= 1 << (processor % 64);
    // SAFETY: the mask is as large as it is said to be.
    unsafe { sched_setaffinity(0, size_of_val(&mask), mask.as_ptr()) };
}

fn children(n: usize, light: bool, other: Option<usize>) {
    let begun = Instant::now();
    for _ in 0..n {
        // SAFETY: the child does nothing but move and end.
        unsafe {
            let pid = if light { vfork() } else { fork() };
            if pid == 0 {
                if let Some(processor) = other {
                    stay_on(processor);
                }
                _exit(0);
            }
            waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
    println!("{}", begun.elapsed().as_nanos());
}
