//! Programs of type SYSCALL (5.14+): run on demand in the caller's context, which they share a struct with.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use bytemuck::Pod;

use super::{LoadAttr, PROG_LOAD, PROG_TEST_RUN, RunAttr, call, own};

/// `BPF_PROG_TYPE_SYSCALL`
const SYSCALL: u32 = 31;
/// `BPF_F_SLEEPABLE`, without which no program of that type is taken (`kernel/bpf/verifier.c:check_attach_btf_id`).
const SLEEPABLE: u32 = 1 << 4;
/// Bytes of the verifier's words that are asked for when it refuses.
const WORDS: usize = 1 << 20;

/// Loads one.
///
/// # Errors
/// The kernel's, with the verifier's last lines.
pub fn load_syscall(name: &str, code: &[u8]) -> io::Result<OwnedFd> {
    let mut a = LoadAttr {
        prog_type: SYSCALL,
        insn_cnt: (code.len() / 8) as u32,
        insns: code.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        prog_flags: SLEEPABLE,
        ..LoadAttr::default()
    };
    for (to, from) in a.prog_name.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    let why = match call(PROG_LOAD, &mut a) {
        Ok(fd) => return Ok(own(fd)),
        Err(e) => e,
    };
    let mut words = vec![0u8; WORDS];
    a.log_level = 1;
    a.log_size = WORDS as u32;
    a.log_buf = words.as_mut_ptr() as u64;
    // What it says of a second try is what it would have said of the first.
    if let Ok(fd) = call(PROG_LOAD, &mut a) {
        return Ok(own(fd));
    }
    let end = words.iter().position(|b| *b == 0).unwrap_or(words.len());
    let text = String::from_utf8_lossy(&words[..end]);
    let tail: Vec<&str> = text.lines().rev().take(4).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    Err(io::Error::new(why.kind(), format!("{why}: {}", tail.join(" / "))))
}

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
