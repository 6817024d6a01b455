//! A filesystem that a member serves: it answers until a file is open, and nothing afterwards.

use crate::ctx::Ctx;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;

/// To close a file asks the server, which does not answer.
static FLUSHES: AtomicBool = AtomicBool::new(false);

/// `struct fuse_attr` of inode 1, a directory, or 2, a file.
fn attributes(inode: u64) -> Vec<u8> {
    // The file has no name, as one that is deleted.
    let (mode, links): (u32, u32) = if inode == 1 { (0o040_755, 2) } else { (0o100_644, 0) };
    let mut b = Vec::new();
    [inode, 1 << 20, 8, 0, 0, 0].iter().for_each(|n| b.extend_from_slice(&n.to_ne_bytes()));
    [0, 0, 0, mode, links, 0, 0, 0, 4096, 0].iter().for_each(|n: &u32| b.extend_from_slice(&n.to_ne_bytes()));
    b
}

/// The answer to a request (`include/uapi/linux/fuse.h`); `None`: there is none.
fn answer(opcode: u32, node: u64) -> Option<Vec<u8>> {
    let words = |all: &[u64]| all.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<u8>>();
    Some(match opcode {
        INIT => {
            let mut b = [7u32, 31, 1 << 16, 0].iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<u8>>();
            b.extend_from_slice(&[0, 0, 0, 0]);
            b.extend_from_slice(&(1u32 << 16).to_ne_bytes());
            b.resize(64, 0);
            b
        }
        // Times for which the kernel believes it: long.
        LOOKUP => [words(&[2, 1, 3600, 3600, 0]), attributes(2)].concat(),
        GETATTR => [words(&[3600, 0]), attributes(node)].concat(),
        // FOPEN_NOFLUSH: to close it asks nobody, else whoever serves itself never ends.
        OPEN => words(&[1, if FLUSHES.load(Ordering::Relaxed) { 0 } else { 1 << 5 }]),
        RELEASE => Vec::new(),
        _ => return None,
    })
}

/// Serves a directory, the argument, and opens a file in it. With a second argument it takes the mount away: nobody can see from
/// outside what the file is on, and who reads it waits for ever. With `flushes` instead it opens nothing itself: who closes a file
/// waits for ever.
pub fn serve(ctx: Ctx, args: &[String]) {
    let Some(dir) = args.first() else { ctx.fail("no directory") };
    let Ok(device) = File::options().read(true).write(true).open("/dev/fuse") else {
        ctx.skip("no /dev/fuse")
    };
    // SAFETY: numbers, literals and null; the mounts are this process's own afterwards.
    let apart = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
    };
    if !apart {
        ctx.skip("no mount namespace");
    }
    let options = CString::new(format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd()));
    let (options, at) = (options.expect("no NUL"), CString::new(dir.as_str()).expect("no NUL"));
    // SAFETY: live strings.
    let mounted = unsafe {
        libc::mount(
            c"adversary".as_ptr(),
            at.as_ptr(),
            c"fuse".as_ptr(),
            libc::MS_NOSUID,
            options.as_ptr().cast(),
        )
    };
    if mounted != 0 {
        ctx.skip("a FUSE cannot be mounted");
    }
    let mut to = device.try_clone().expect("a descriptor");
    std::thread::spawn(move || {
        let mut from = device;
        let mut request = vec![0u8; 1 << 17];
        while let Ok(n) = from.read(&mut request) {
            let word = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().expect("eight bytes"));
            let opcode = u32::from_ne_bytes(request[4..8].try_into().expect("four bytes"));
            if n < 40 {
                continue;
            }
            let unknown = opcode == FLUSH && !FLUSHES.load(Ordering::Relaxed);
            let body = if unknown { Some(Vec::new()) } else { answer(opcode, word(16)) };
            let Some(body) = body else { continue };
            let mut out = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
            out.extend_from_slice(&if unknown { -libc::ENOSYS } else { 0 }.to_ne_bytes());
            out.extend_from_slice(&word(8).to_ne_bytes());
            out.extend_from_slice(&body);
            let _ = to.write_all(&out);
        }
    });
    if args.get(1).is_some_and(|a| a == "flushes") {
        FLUSHES.store(true, Ordering::Relaxed);
        ctx.ready(&format!("pid={}", std::process::id()));
        ctx.hold();
    }
    let open = File::open(format!("{dir}/file"));
    // SAFETY: a live string.
    if args.len() > 1 && unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) } != 0 {
        ctx.fail("umount2");
    }
    let Ok(open) = open else { ctx.fail("the file") };
    // Before 5.16 the kernel does not know FOPEN_NOFLUSH: it asks once, hears that there is no such request, and asks no more.
    drop(open.try_clone());
    // A page of it as memory, which is not there.
    // SAFETY: a new mapping of an open file.
    unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, open.as_raw_fd(), 0)
    };
    ctx.ready(&format!("pid={} file={}", std::process::id(), open.as_raw_fd()));
    ctx.hold()
}

/// Arguments: the process and the directory of a server that is no member, and perhaps another server. A child asks the first for what
/// it never answers. With the second one's number the child sees only that one's mounts, and has its file under the number that
/// its call is about. With `holds` in their place it has the file open, and asks nothing.
pub fn client(ctx: Ctx, args: &[String]) {
    let [server, dir, fool @ ..] = args else { ctx.fail("no server") };
    let Ok(file) = File::open(format!("/proc/{server}/root{dir}/file")) else {
        ctx.fail("the server's file")
    };
    let child = ctx.child(|| {
        if let [other, its] = fool {
            let Ok(place) = File::open(format!("/proc/{other}/ns/mnt")) else {
                ctx.fail("the other's mounts")
            };
            // SAFETY: an open descriptor, and a flag.
            if unsafe { libc::setns(place.as_raw_fd(), 0) != 0 || libc::unshare(libc::CLONE_NEWNS) != 0 } {
                ctx.fail("into the other's mounts");
            }
            let Ok(decoy) = File::open(format!("{its}/file")) else { ctx.fail("the other's file") };
            let (at, decoy) = (file.as_raw_fd(), decoy.as_raw_fd());
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(300));
                // SAFETY: two open descriptors; the thread that sleeps in a call holds its file itself.
                unsafe { libc::dup2(decoy, at) };
                std::thread::sleep(std::time::Duration::from_secs(3600));
            });
        }
        if fool == ["holds"] {
            ctx.hold();
        }
        let mut value = [0u8; 8];
        // SAFETY: an open descriptor, a name, and room for the answer that does not come.
        unsafe {
            libc::fgetxattr(file.as_raw_fd(), c"user.x".as_ptr(), value.as_mut_ptr().cast(), value.len())
        };
        ctx.hold()
    });
    ctx.ready(&format!("pid={} child={child}", std::process::id()));
    ctx.hold()
}
