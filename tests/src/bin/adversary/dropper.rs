//! What a break-in leaves below a service: the case of docs/CASE.md.
//!
//! A worker of the service forks a chain of three that end at once. The last of them executes a copy of the program, which it
//! deletes; below it a pair watches over each other and over a beacon, which runs from memory and writes to a port. All three
//! call themselves kernel threads.

use std::ffi::CString;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use crate::ctx::{Ctx, exit, pid, pointers, ppid, sleep_ms};

/// Calls this process, and what it was started with, by another name.
fn rename(name: &str) {
    let text = CString::new(name).expect("no NUL");
    // SAFETY: a live name.
    unsafe { libc::prctl(libc::PR_SET_NAME, text.as_ptr()) };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // `arg_start` and `arg_end` are the 48th and 49th of all, and the third stands first here.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let [start, end] = [45, 46].map(|n| fields.get(n).and_then(|f| f.parse::<usize>().ok()));
    let (Some(start), Some(end)) = (start, end) else { return };
    if end <= start + name.len() || start == 0 {
        return;
    }
    // SAFETY: the kernel says that our arguments are there, and nobody reads them any more.
    unsafe {
        std::ptr::write_bytes(start as *mut u8, 0, end - start);
        std::ptr::copy_nonoverlapping(name.as_ptr(), start as *mut u8, name.len());
        libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_ARG_END, start + name.len() + 1, 0, 0);
    }
}

fn exec(ctx: &Ctx, fd: i32, behaviour: &str, args: &[String]) -> ! {
    let mut argv = ctx.argv(behaviour);
    argv.extend(args.iter().map(|a| CString::new(a.as_str()).expect("no NUL")));
    let (argv, env) = (pointers(&argv), pointers(&[]));
    // SAFETY: both vectors end in NULL and live across the call.
    unsafe { libc::fexecve(fd, argv.as_ptr(), env.as_ptr()) };
    ctx.fail("fexecve")
}

/// The service, with a directory and a port of loopback.
pub fn service(ctx: Ctx, args: &[String]) {
    let args = args.to_vec();
    rename("webd: master");
    ctx.child(|| {
        rename("webd: worker");
        ctx.child(|| {
            // SAFETY: no arguments.
            unsafe { libc::setsid() };
            ctx.child(|| {
                ctx.child(|| stage(&ctx, &args));
            });
        });
        ctx.hold()
    });
    ctx.hold()
}

/// The third of the chain executes a copy of the program.
fn stage(ctx: &Ctx, args: &[String]) -> ! {
    let copy = format!("{}/.cache", args[0]);
    if std::fs::copy("/proc/self/exe", &copy).is_err() {
        ctx.fail("a copy of the program");
    }
    let Ok(file) = std::fs::File::open(&copy) else { ctx.fail("the copy") };
    exec(ctx, file.as_raw_fd(), "dropper-stage", args)
}

/// The copy deletes itself, and leaves a pair behind.
pub fn staged(ctx: Ctx, args: &[String]) {
    let args = args.to_vec();
    let _ = std::fs::remove_file(format!("{}/.cache", args[0]));
    ctx.child(|| {
        let me = pid();
        while ppid() == me {
            sleep_ms(1);
        }
        first(ctx, &args)
    });
    sleep_ms(50);
}

/// Starts the other one, and the beacon, as often as they end.
fn first(ctx: Ctx, args: &[String]) -> ! {
    rename("kworker/u8:1");
    let me = pid();
    let other = || ctx.child(|| second(ctx, args, me));
    let beacon = || ctx.child(|| from_memory(&ctx, args));
    let (mut pair, mut it) = (other(), beacon());
    sleep_ms(500);
    ctx.ready(&format!("first={} second={pair} beacon={it}", pid()));
    while !ctx.over() {
        // SAFETY: no status is asked for.
        let gone = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        if gone == pair {
            pair = other();
        } else if gone == it {
            it = beacon();
        }
        sleep_ms(10);
    }
    exit(0)
}

/// Is the first one when that has ended.
fn second(ctx: Ctx, args: &[String], first_one: i32) -> ! {
    rename("kworker/u8:2");
    while !ctx.over() {
        if ppid() != first_one {
            first(ctx, args);
        }
        sleep_ms(10);
    }
    exit(0)
}

fn from_memory(ctx: &Ctx, args: &[String]) -> ! {
    // SAFETY: a literal name.
    let fd = unsafe { libc::memfd_create(c"x".as_ptr(), libc::MFD_CLOEXEC) };
    let program = std::fs::read("/proc/self/exe").unwrap_or_default();
    // SAFETY: opened above, and nobody else's.
    let mut file: std::fs::File = unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) };
    if fd < 0 || program.is_empty() || file.write_all(&program).is_err() {
        ctx.fail("a program in memory");
    }
    exec(ctx, fd, "dropper-beacon", args)
}

/// Writes to the port ten times a second.
pub fn beacon(ctx: Ctx, args: &[String]) {
    rename("kworker/u8:3");
    let port: u16 = args[1].parse().unwrap_or(0);
    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)) else { ctx.fail("a connection") };
    while !ctx.over() {
        let _ = to.write_all(b"here\n");
        sleep_ms(100);
    }
}

/// What the beacon writes to; it counts, in a file.
pub fn server(ctx: Ctx, args: &[String]) {
    rename("collector");
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { ctx.skip("no loopback") };
    let port = listener.local_addr().map_or(0, |a| a.port());
    // It waits for connections as long as that takes.
    // SAFETY: the default action ends us.
    unsafe { libc::alarm((ctx.left_ms() / 1000) as u32 + 1) };
    ctx.ready(&format!("pid={} port={port}", pid()));
    let file = args[0].clone();
    let counted = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    for from in listener.incoming().flatten() {
        let (file, counted) = (file.clone(), counted.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while std::io::Read::read(&mut &from, &mut bytes).is_ok_and(|n| n > 0) {
                let n = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let _ = std::fs::write(&file, format!("{n}\n"));
            }
        });
    }
}
