//! Classic tracepoints: a perf event with a BPF program, for every CPU (`kernel/trace/trace_events.c`: the program hangs on
//! the event itself, whatever CPU the perf event was opened for).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::bpf;

/// `PERF_TYPE_TRACEPOINT`
const TRACEPOINT: u32 = 2;
/// `PERF_FLAG_FD_CLOEXEC`
const CLOEXEC: u64 = 8;
/// `PERF_EVENT_IOC_SET_BPF`
const SET_BPF: u64 = 0x4004_2408;
/// `PERF_EVENT_IOC_ENABLE`
const ENABLE: u64 = 0x2400;

/// `struct perf_event_attr` as of `PERF_ATTR_SIZE_VER0`; every later kernel takes it.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

/// Attaches a program to the tracepoint with this id. True: the descriptor is a link and can be pinned (5.15+).
pub fn attach(prog: impl AsFd, id: u64) -> io::Result<(OwnedFd, bool)> {
    let attr = Attr {
        kind: TRACEPOINT,
        size: size_of::<Attr>() as u32,
        config: id,
        sample_period: 1,
        wakeup_events: 1,
        ..Attr::default()
    };
    // SAFETY: attr is a live struct of the size that it names; any process on CPU 0, no group.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &attr, -1, 0, -1, CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    let event = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    if let Ok(link) = bpf::perf_link(&prog, &event) {
        return Ok((link, true));
    }
    let ioctl = |request: u64, arg: i32| {
        // SAFETY: these requests take an integer.
        match unsafe { libc::ioctl(event.as_raw_fd(), request as _, arg) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    ioctl(SET_BPF, prog.as_fd().as_raw_fd())?;
    ioctl(ENABLE, 0)?;
    Ok((event, false))
}
