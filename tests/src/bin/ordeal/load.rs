//! The load: forkers, chains, storms of threads that fork, vfork with exec; each counts its own successes.
//! `ordeal load LIVE READY DEADLINE TALLY WORKERS`, started as a service.

use crate::tally::{CELLS, Cell, Tally};
use std::ffi::{CStr, c_int, c_void};
use std::path::Path;

#[derive(Clone, Copy)]
struct World {
    tally: &'static Tally,
    deadline: i64,
}

impl World {
    fn over(&self) -> bool {
        // SAFETY: an all-zero timespec is valid, and `ts` is ours.
        let now = unsafe {
            let mut ts: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts);
            ts.tv_sec
        };
        now > self.deadline
    }

    fn take(&self) -> bool {
        self.tally.take() && !self.over()
    }
}

fn exit(code: c_int) -> ! {
    // SAFETY: ends the process; nothing of ours is used afterwards.
    unsafe { libc::_exit(code) }
}

fn nap() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// fork(2), counted by the parent. `None` in the child.
fn fork(cell: &Cell) -> Option<libc::pid_t> {
    // SAFETY: the child runs code of this program that takes no lock of the C library's, and ends with _exit or goes on
    // as the only thread.
    match unsafe { libc::fork() } {
        0 => None,
        -1 => {
            Cell::count(&cell.refused);
            nap();
            Some(-1)
        }
        pid => {
            Cell::count(&cell.forks);
            Some(pid)
        }
    }
}

/// The whole load; its root stays until the deadline.
pub fn main(args: &[String]) -> Result<(), String> {
    let number = |at: usize| args.get(at).and_then(|a| a.parse::<i64>().ok()).ok_or("arguments");
    let (ready, deadline, workers) = (number(3)? as c_int, number(4)?, number(6)? as usize);
    let tally = Tally::map(Path::new(&args[5])).map_err(|e| format!("{}: {e}", args[5]))?;
    let world = World { tally, deadline };
    // SAFETY: plain integers; SIG_IGN installs no handler. Orphans come to us and are reaped by the kernel.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
    }
    say(ready, c"ready\n");
    let kinds: [fn(World, &'static Cell); 5] = [forker, hopper, storm, forker, vforker];
    for n in 1..workers.min(CELLS) {
        let work = kinds[(n - 1) % kinds.len()];
        if fork(&tally.cells[0]).is_none() {
            work(world, &tally.cells[n]);
            exit(0);
        }
    }
    // With SIGCHLD ignored this returns when the last one is gone.
    // SAFETY: a null status is allowed.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } != -1
        || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    say(ready, c"ready done\n");
    while !world.over() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    exit(0)
}

fn say(fd: c_int, line: &CStr) {
    // SAFETY: the line lives; a short write to a pipe is whole.
    unsafe { libc::write(fd, line.as_ptr().cast(), line.to_bytes().len()) };
}

/// Children that end at once, some of which have a child of their own.
fn forker(world: World, cell: &'static Cell) {
    let mut turn = 0u32;
    while world.take() {
        turn += 1;
        let twice = turn.is_multiple_of(4);
        if fork(cell).is_none() {
            if twice {
                // Counted beyond the quota: what matters is that it is counted.
                fork(cell);
            }
            exit(0);
        }
        // Children are many, PIDs are few: let them end.
        if turn.is_multiple_of(64) {
            nap();
        }
    }
}

/// Each parent ends when it has forked.
fn hopper(world: World, cell: &'static Cell) {
    while world.take() {
        match fork(cell) {
            Some(pid) if pid > 0 => exit(0),
            _ => {}
        }
    }
}

/// Threads that come and go; one in eight forks.
fn storm(world: World, cell: &'static Cell) {
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let lane = std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, move || {
                let mut turn = 0u32;
                while world.tally.going() && !world.over() {
                    turn += 1;
                    let forks = turn.is_multiple_of(8) && world.take();
                    let work = move || {
                        if forks && fork(cell).is_none() {
                            exit(0);
                        }
                    };
                    match std::thread::Builder::new().stack_size(64 << 10).spawn(work) {
                        Ok(thread) => {
                            Cell::count(&cell.threads);
                            let _ = thread.join();
                        }
                        Err(_) => {
                            Cell::count(&cell.refused);
                            nap();
                        }
                    }
                }
            });
            match lane {
                Ok(_) => Cell::count(&cell.threads),
                Err(_) => Cell::count(&cell.refused),
            }
        }
    });
}

/// clone(CLONE_VM | CLONE_VFORK) with an exec; the memory is shared, so only the parent counts.
fn vforker(world: World, cell: &'static Cell) {
    extern "C" fn execs(_: *mut c_void) -> c_int {
        let argv = [c"ordeal".as_ptr(), c"nothing".as_ptr(), std::ptr::null()];
        // SAFETY: NULL-terminated vectors of literals; the parent is suspended until then.
        unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), argv[2..].as_ptr()) };
        exit(0)
    }
    const STACK: usize = 64 << 10;
    let stack = vec![0u8; STACK].leak();
    // SAFETY: the address just past the stack, rounded down to 16 bytes.
    let top = unsafe { stack.as_mut_ptr().add(STACK & !15) };
    while world.take() {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the child has a stack of its own; CLONE_VFORK keeps us away until it is done with it.
        match unsafe { libc::clone(execs, top.cast(), flags, std::ptr::null_mut()) } {
            -1 => {
                Cell::count(&cell.refused);
                nap();
            }
            _ => Cell::count(&cell.forks),
        }
    }
}
