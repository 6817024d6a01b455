//! io_uring's kernel-made threads (io_uring/io-wq.c, sqpoll.c: create_io_thread), for the self-test: they are members
//! that `sched_process_fork` never announces.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// `struct io_sqring_offsets`.
#[repr(C)]
#[derive(Default)]
struct SqOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv1: u32,
    user_addr: u64,
}

/// `struct io_uring_params`, 120 bytes; the completion ring's offsets are not used here.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    sq_off: SqOffsets,
    cq_off: [u32; 10],
}

const _: () = assert!(size_of::<Params>() == 120);

const IORING_SETUP_SQPOLL: u32 = 2;
const IORING_OFF_SQES: i64 = 0x1000_0000;
const IOSQE_ASYNC: u8 = 1 << 4;
const IORING_OP_READ: u8 = 22;
const SQE: usize = 64;

fn setup(flags: u32) -> io::Result<(OwnedFd, Params)> {
    let mut params = Params { flags, sq_thread_idle: 30_000, ..Params::default() };
    // SAFETY: `params` has the kernel's layout and is ours.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, &raw mut params) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor of our own.
    Ok((unsafe { OwnedFd::from_raw_fd(fd as i32) }, params))
}

/// A ring with a kernel thread that polls it (`iou-sqp-*`).
pub fn polled() -> io::Result<OwnedFd> {
    Ok(setup(IORING_SETUP_SQPOLL)?.0)
}

/// A ring with a worker (`iou-wrk-*`) that blocks in a read of a pipe that nobody writes to.
pub fn blocked() -> io::Result<OwnedFd> {
    let (ring, params) = setup(0)?;
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors, which stay open as long as the process.
    if unsafe { libc::pipe(pipe.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let entries = params.sq_entries as usize;
    let sq = map(&ring, params.sq_off.array as usize + entries * 4, 0)?;
    let sqes = map(&ring, entries * SQE, IORING_OFF_SQES)?;
    let buffer = vec![0u8; 16].leak();
    // SAFETY: entry 0 of the mapped array: opcode, flags, fd at 4, address at 16, length at 24 (struct io_uring_sqe); the
    // buffer is never freed; the array of indices lies in the mapping.
    unsafe {
        sqes.write(IORING_OP_READ);
        sqes.add(1).write(IOSQE_ASYNC);
        sqes.add(4).cast::<i32>().write(pipe[0]);
        sqes.add(16).cast::<u64>().write(buffer.as_mut_ptr() as u64);
        sqes.add(24).cast::<u32>().write(16);
        sq.add(params.sq_off.array as usize).cast::<u32>().write(0);
    }
    // SAFETY: an aligned u32 in the mapped ring, which the kernel reads atomically.
    let tail = unsafe { &*sq.add(params.sq_off.tail as usize).cast::<AtomicU32>() };
    tail.store(1, Ordering::Release);
    // SAFETY: plain integers and a null mask.
    match unsafe { libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 0, 0, 0, 0) } {
        1 => Ok(ring),
        -1 => Err(io::Error::last_os_error()),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Mappings stay as long as the process.
fn map(ring: &OwnedFd, len: usize, offset: i64) -> io::Result<*mut u8> {
    // SAFETY: a fresh shared mapping of the ring's memory at an address of the kernel's choice.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            ring.as_raw_fd(),
            offset,
        )
    };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}
