//! Not adversaries but witnesses: members that write down what happens to them.

use crate::ctx::{Ctx, exit, pid, reap, sleep_ms};
use std::fs::{File, OpenOptions};
use std::io::Write;

fn journal(ctx: &Ctx, args: &[String]) -> File {
    let Some(path) = args.first() else { ctx.fail("no file given") };
    match OpenOptions::new().create(true).append(true).open(path) {
        Ok(file) => file,
        Err(_) => ctx.fail("open the journal"),
    }
}

/// Arguments: file, number of children. Each process writes one line `PID SIGNAL VALUE CODE` for every signal that it
/// takes; none of them (but KILL and STOP) has another effect.
pub fn signal_log(ctx: Ctx, args: &[String]) {
    let mut file = journal(&ctx, args);
    let children: u32 = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    // SAFETY: an all-zero sigset is valid storage, filled at once.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours; the mask is inherited by the children, so no signal can be early.
    unsafe {
        libc::sigfillset(&mut all);
        libc::sigdelset(&mut all, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
    let root = pid();
    let mut pids = vec![root];
    for _ in 0..children {
        if pid() == root {
            let mut twin = file.try_clone().expect("dup");
            pids.push(ctx.child(|| listen(&ctx, &all, &mut twin)));
        }
    }
    let pids: Vec<String> = pids.iter().map(|p| p.to_string()).collect();
    ctx.ready(&format!("pids={}", pids.join(",")));
    listen(&ctx, &all, &mut file)
}

fn listen(ctx: &Ctx, set: &libc::sigset_t, file: &mut File) {
    while !ctx.over() {
        let wait = libc::timespec { tv_sec: 1, tv_nsec: 0 };
        // SAFETY: an all-zero siginfo is valid storage for the kernel to fill.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: all three are ours and live.
        let signal = unsafe { libc::sigtimedwait(set, &mut info, &wait) };
        if signal > 0 {
            // SAFETY: the union is plain integers; for kill(2) the value is 0.
            let value = unsafe { info.si_value().sival_ptr as usize as i32 };
            let _ = file.write_all(format!("{} {signal} {value} {}\n", pid(), info.si_code).as_bytes());
        }
    }
}

/// Arguments: file, and how many idle ones to make before (0). The last one forks every 10 ms and writes `ok`, or what
/// went wrong with the fork or its child.
pub fn fork_beat(ctx: Ctx, args: &[String]) {
    let mut file = journal(&ctx, args);
    let crowd: u32 = args.get(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    for _ in 0..=crowd {
        ctx.child(|| ctx.hold());
    }
    if crowd == 0 {
        beat(ctx, &mut file);
    }
    ctx.child(|| beat(ctx, &mut file));
    ctx.hold()
}

fn beat(ctx: Ctx, file: &mut File) -> ! {
    ctx.ready(&format!("pid={} beat={}", pid(), pid()));
    while !ctx.over() {
        let line = match ctx.try_child(|| exit(0)).map(reap) {
            Some(0) => "ok\n".to_string(),
            Some(status) => format!("child ended with {status:#x}\n"),
            None => format!("{}\n", std::io::Error::last_os_error()),
        };
        let _ = file.write_all(line.as_bytes());
        sleep_ms(10);
    }
    exit(0)
}
