//! io_uring: kernel-made threads in the member's own thread group, which no fork hook announces.

use crate::ctx::{Ctx, pid, until};
use crate::kernel_asks::refused;
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

/// `struct io_uring_params`; the completion ring's offsets are not used here.
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

const SQPOLL: u32 = 2;
const IORING_OFF_SQES: i64 = 0x1000_0000;
const IOSQE_ASYNC: u8 = 1 << 4;
const OP_READ: u8 = 22;

/// One child has a polling kernel thread, the other a worker that blocks in a read; then their leaders die.
pub fn io_uring(ctx: Ctx, _: &[String]) {
    ctx.child(|| {
        setup(&ctx, SQPOLL);
        only_thread_left(ctx, "iou-sqp");
    });
    ctx.child(|| {
        let (ring, params) = setup(&ctx, 0);
        submit_blocking_read(&ctx, ring, &params);
        only_thread_left(ctx, "iou-wrk");
    });
    ctx.hold()
}

fn setup(ctx: &Ctx, flags: u32) -> (i32, Params) {
    let mut params = Params { flags, sq_thread_idle: 30_000, ..Default::default() };
    // SAFETY: `params` has the layout and size of the kernel's struct (120 bytes) and is ours.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, &raw mut params) as i32 };
    if fd == -1 {
        refused(ctx, "io_uring_setup");
    }
    (fd, params)
}

/// Announces the shape when the kernel thread is there. Both children say so; the test waits for two lines.
fn only_thread_left(ctx: Ctx, prefix: &str) {
    let me = pid();
    until(&ctx, "no io_uring thread", || thread_names(me).iter().any(|n| n.starts_with(prefix)));
    ctx.ready(&format!("{prefix}={me}"));
    ctx.hold()
}

fn thread_names(pid: libc::pid_t) -> Vec<String> {
    let Ok(dir) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    dir.flatten().filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok()).collect()
}

fn submit_blocking_read(ctx: &Ctx, ring: i32, params: &Params) {
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors.
    unsafe { libc::pipe(pipe.as_mut_ptr()) };
    let ring_len = params.sq_off.array as usize + params.sq_entries as usize * 4;
    let sq = map(ctx, ring, ring_len, 0);
    let sqes = map(ctx, ring, params.sq_entries as usize * 64, IORING_OFF_SQES);
    let buffer = vec![0u8; 16].leak();
    // SAFETY: entry 0 of the mapped array of 64-byte entries: opcode, flags, fd at 4, address at 16, length at 24; the
    // buffer is never freed.
    unsafe {
        sqes.write(OP_READ);
        sqes.add(1).write(IOSQE_ASYNC);
        sqes.add(4).cast::<i32>().write(pipe[0]);
        sqes.add(16).cast::<u64>().write(buffer.as_mut_ptr() as u64);
        sqes.add(24).cast::<u32>().write(16);
        sq.add(params.sq_off.array as usize).cast::<u32>().write(0);
    }
    // SAFETY: the tail is an aligned u32 in the mapped ring, shared with the kernel, which reads it atomically.
    let tail = unsafe { &*sq.add(params.sq_off.tail as usize).cast::<AtomicU32>() };
    tail.store(1, Ordering::Release);
    // SAFETY: plain integers and a null mask.
    let n = unsafe { libc::syscall(libc::SYS_io_uring_enter, ring, 1, 0, 0, 0, 0) };
    if n != 1 {
        ctx.fail("io_uring_enter");
    }
}

fn map(ctx: &Ctx, ring: i32, len: usize, offset: i64) -> *mut u8 {
    // SAFETY: a fresh shared mapping of the ring's memory at an address of the kernel's choice.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            ring,
            offset,
        )
    };
    if at == libc::MAP_FAILED {
        ctx.fail("mmap of the ring");
    }
    at.cast()
}
