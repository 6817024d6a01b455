//! What a capture is to find, and what is to hold it up: files without names, odd memory, hostile names, more descriptors than
//! anybody has, sockets and devices, links that change.

use crate::ctx::{Ctx, exit, sleep_us};
use std::ffi::CString;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;

/// What is in the files and in memory.
const MARK: &[u8] = b"evidence-of-the-adversary";

fn map(ctx: &Ctx, bytes: usize, flags: i32) -> *mut u8 {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), bytes, rights, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        ctx.fail("mmap");
    }
    at.cast()
}

fn memfd(ctx: &Ctx, name: &std::ffi::CStr) -> std::fs::File {
    // SAFETY: a literal name.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), 0) };
    if fd < 0 {
        ctx.fail("memfd_create");
    }
    // SAFETY: opened above, and nobody else's.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }
}

/// A sparse memfd, a deleted file, a FIFO, a TCP connection, a pair of UNIX sockets; the directory is the argument.
pub fn files(ctx: Ctx, args: &[String]) {
    let Some(dir) = args.first() else { ctx.fail("no directory") };
    let sparse = memfd(&ctx, c"sparse\x1b[31m\n");
    let wrote = sparse.set_len(1 << 40).is_ok()
        && sparse.write_all_at(MARK, 0).is_ok()
        && sparse.write_all_at(MARK, 1 << 30).is_ok();
    let name = format!("{dir}/deleted");
    let deleted = std::fs::write(&name, MARK).and_then(|()| std::fs::File::open(&name));
    let Ok(deleted) = deleted else { ctx.fail("a file") };
    let gone = std::fs::remove_file(&name).is_ok();
    let fifo = CString::new(format!("{dir}/fifo")).expect("no NUL");
    // SAFETY: a live path.
    let made = unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) } == 0;
    // SAFETY: a live path; O_RDWR does not wait.
    let fifo = unsafe { libc::open(fifo.as_ptr(), libc::O_RDWR) };
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let Ok(listener) = listener else { ctx.skip("no loopback") };
    let port = listener.local_addr().map_or(0, |a| a.port());
    let peer = std::net::TcpStream::connect(("127.0.0.1", port));
    if !(wrote && gone && made && fifo >= 0 && peer.is_ok()) {
        ctx.fail("files");
    }
    let (sparse, deleted) = (sparse.into_raw_fd(), deleted.into_raw_fd());
    let peer = peer.map_or(-1, |p| p.into_raw_fd());
    let Ok((one, two)) = std::os::unix::net::UnixStream::pair() else { ctx.fail("a pair of sockets") };
    let facts = format!(
        "memfd={sparse} deleted={deleted} fifo={fifo} port={port} peer={peer} listener={} one={} two={}",
        listener.as_raw_fd(),
        one.as_raw_fd(),
        two.as_raw_fd()
    );
    ctx.ready(&format!("pid={} {facts}", std::process::id()));
    ctx.hold()
}

/// In a network namespace of its own: two sockets of a pair, and one that is connected to somebody outside.
pub fn apart(ctx: Ctx, args: &[String]) {
    let Some(path) = args.first() else { ctx.fail("no socket") };
    // SAFETY: a plain number; before any thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        ctx.skip("no network namespaces");
    }
    let Ok((one, two)) = std::os::unix::net::UnixStream::pair() else { ctx.fail("a pair of sockets") };
    let Ok(far) = std::os::unix::net::UnixStream::connect(path) else { ctx.fail("the other end") };
    let facts = [("one", &one), ("two", &two), ("far", &far)].map(|(k, s)| format!("{k}={}", s.as_raw_fd()));
    ctx.ready(&format!("pid={} {}", std::process::id(), facts.join(" ")));
    ctx.hold()
}

/// A terabyte of memory of which two pages are there, one page that nobody may read, a thread beside.
pub fn memory(ctx: Ctx, _: &[String]) {
    const TERA: usize = 1 << 40;
    let huge = map(&ctx, TERA, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let far = TERA / 2;
    // SAFETY: within the mapping.
    unsafe {
        std::ptr::copy_nonoverlapping(MARK.as_ptr(), huge, MARK.len());
        std::ptr::copy_nonoverlapping(MARK.as_ptr(), huge.add(far), MARK.len());
        libc::mprotect(huge.add(far).cast(), 4096, libc::PROT_NONE);
    }
    std::thread::spawn(move || ctx.hold());
    sleep_us(50_000);
    ctx.ready(&format!("pid={} huge={:x} far={:x}", std::process::id(), huge as usize, huge as usize + far));
    ctx.hold()
}

/// So many descriptors of one file, in as few processes as may be.
pub fn descriptors(ctx: Ctx, args: &[String]) {
    let want: u64 = args.first().and_then(|a| a.parse().ok()).unwrap_or(1000);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a live struct.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: a live struct.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        ctx.fail("setrlimit");
    }
    let each = want.min(limit.rlim_max.saturating_sub(100)).max(1);
    let file = memfd(&ctx, c"many");
    let fill = || {
        for _ in 0..each {
            // SAFETY: a new descriptor of a file that is open.
            if unsafe { libc::dup(file.as_raw_fd()) } < 0 {
                ctx.fail("dup");
            }
        }
    };
    for _ in 1..want.div_ceil(each) {
        ctx.child(|| {
            fill();
            ctx.hold()
        });
    }
    fill();
    ctx.ready(&format!("pid={}", std::process::id()));
    ctx.hold()
}

/// Names with escapes, newlines and what is no UTF-8: its own, its arguments, its directory, its files.
pub fn names(ctx: Ctx, args: &[String]) {
    use std::os::unix::ffi::OsStrExt;
    let Some(dir) = args.first() else { ctx.fail("no directory") };
    if args.len() < 2 {
        let name = std::ffi::OsStr::from_bytes(b"a\x1b]0;x\x07\n|\xff\xfe ..b");
        let inner = std::path::Path::new(dir).join(std::ffi::OsStr::from_bytes(b"d\x1b[2J\n\xff"));
        if std::fs::create_dir(&inner).is_err() || std::env::set_current_dir(&inner).is_err() {
            ctx.fail("a directory");
        }
        let Ok(open) = std::fs::File::create(inner.join(name)) else { ctx.fail("a file") };
        let _ = open.into_raw_fd();
    }
    let odd = CString::new(&b"\x1b[31m\n\xff\"\\)"[..]).expect("no NUL");
    // SAFETY: a live name.
    unsafe { libc::prctl(libc::PR_SET_NAME, odd.as_ptr()) };
    if args.len() < 2 {
        let mut argv = ctx.argv("evidence-names");
        argv.extend([CString::new(dir.as_str()).expect("no NUL"), odd.clone()]);
        let env = [CString::new(&b"A=\x1b[31m\n\xff"[..]).expect("no NUL")];
        let (argv, env) = (crate::ctx::pointers(&argv), crate::ctx::pointers(&env));
        // Open files go on over the exec, the name does not.
        for fd in 3..64 {
            // SAFETY: changes a flag of a descriptor.
            unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
        }
        // SAFETY: both vectors end in NULL and live across the call.
        unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), env.as_ptr()) };
        ctx.fail("execve");
    }
    ctx.ready(&format!("pid={}", std::process::id()));
    ctx.hold()
}

/// Processes that come and go, and descriptors and links that change all the time, whoever is frozen.
pub fn restless(ctx: Ctx, args: &[String]) {
    let Some(dir) = args.first() else { ctx.fail("no directory") };
    for n in 0..4 {
        let dir = dir.clone();
        ctx.child(move || {
            let (file, link) = (format!("{dir}/f{n}"), format!("{dir}/l{n}"));
            while !ctx.over() {
                let _ = std::fs::write(&file, MARK);
                let open = std::fs::File::open(&file);
                let _ = std::fs::remove_file(&file);
                let _ = std::os::unix::fs::symlink("/etc/shadow", &link);
                let _ = std::fs::remove_file(&link);
                let _ = std::env::set_current_dir(if n % 2 == 0 { "/" } else { &dir });
                drop(open);
                // SAFETY: the child ends at once.
                match unsafe { libc::fork() } {
                    0 => exit(0),
                    // SAFETY: our child.
                    pid => unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) },
                };
            }
        });
    }
    ctx.ready(&format!("pid={}", std::process::id()));
    ctx.hold()
}

/// Two gigabytes of memory, which are the same four megabytes again and again.
pub fn large(ctx: Ctx, _: &[String]) {
    const PIECE: usize = 4 << 20;
    let file = memfd(&ctx, c"large");
    if file.set_len(PIECE as u64).is_err() {
        ctx.fail("a large file");
    }
    for n in 0..512 {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping of an open file.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), PIECE, rights, flags, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            ctx.fail("mmap");
        }
        if n == 0 {
            // SAFETY: within the mapping.
            unsafe { std::ptr::copy_nonoverlapping(MARK.as_ptr(), at.cast(), MARK.len()) };
        }
    }
    ctx.ready(&format!("pid={}", std::process::id()));
    ctx.hold()
}
