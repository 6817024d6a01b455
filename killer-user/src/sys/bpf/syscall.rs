//! Programs of type SYSCALL (5.14+) run on demand in the caller's context, which they share a struct with.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use bytemuck::Pod;

use super::{PROG_TEST_RUN, RunAttr, call};

/// Runs one; `context` is what it reads and writes.
pub fn run_syscall<T: Pod>(prog: impl AsFd, context: &mut T) -> io::Result<i32> {
    let mut a = RunAttr {
        prog_fd: prog.as_fd().as_raw_fd() as u32,
        ctx_size_in: size_of::<T>() as u32,
        ctx_in: std::ptr::from_mut(context) as u64,
        ..RunAttr::default()
    };
    call(PROG_TEST_RUN, &mut a)?;
    Ok(a.retval as i32)
}
