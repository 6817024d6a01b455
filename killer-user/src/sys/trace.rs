//! Registers of a stopped thread. It is seized, which neither signals nor wakes it, and let go again: a group stop that was in effect
//! stays in effect (`kernel/ptrace.c:__ptrace_unlink`), also when the tracer dies in between, and the thread runs none of its code.
//! A thread that is not stopped is never seized here.

use std::io;

use super::entry::Entry;

/// `PTRACE_SEIZE`
const SEIZE: libc::c_uint = 0x4206;
/// `PTRACE_GETREGSET`
const GETREGSET: libc::c_uint = 0x4204;
/// `PTRACE_DETACH`
const DETACH: libc::c_uint = 17;

/// General registers.
pub const NT_PRSTATUS: u32 = 1;
/// Floating point registers.
pub const NT_PRFPREG: u32 = 2;
/// All that XSAVE saves (x86).
pub const NT_X86_XSTATE: u32 = 0x202;

/// A register set: its note type, and its bytes.
pub type Registers = Vec<(u32, Vec<u8>)>;

fn ptrace(request: libc::c_uint, tid: u32, addr: usize, data: usize) -> io::Result<()> {
    // SAFETY: the requests used here take numbers, but for GETREGSET, whose caller gives a live iovec.
    let r = unsafe {
        libc::syscall(libc::SYS_ptrace, libc::c_ulong::from(request), tid as libc::pid_t, addr, data)
    };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A thread that this process traces; let go when it is dropped.
struct Seized(u32);

impl Drop for Seized {
    fn drop(&mut self) {
        // Fails when it has ended: then there is nobody to let go.
        let _ = ptrace(DETACH, self.0, 0, 0);
    }
}

fn set(tid: u32, kind: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; 16 << 10];
    let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    ptrace(GETREGSET, tid, kind as usize, &raw mut iov as usize)?;
    bytes.truncate(iov.iov_len);
    Ok(bytes)
}

/// True when the thread of this directory is stopped, and its tracer is this number (0: nobody).
fn is_stopped(thread: &Entry, tracer: u32) -> io::Result<bool> {
    let s = thread.status()?;
    let state = if tracer == 0 { 'T' } else { 't' };
    Ok(s.state.starts_with(state) && s.tracerpid == tracer as i32)
}

/// Registers of a thread.
///
/// # Errors
/// It is not stopped, somebody traces it, or the kernel refuses it.
pub fn registers(thread: &Entry, tid: u32) -> io::Result<Registers> {
    if !is_stopped(thread, 0)? {
        return Err(io::Error::other("it is not stopped, or somebody traces it"));
    }
    ptrace(SEIZE, tid, 0, 0)?;
    let seized = Seized(tid);
    // The number was looked up anew: whose it was says the directory, which stays that thread's.
    if !is_stopped(thread, std::process::id())? {
        return Err(io::Error::other("another thread has its number, or it goes on"));
    }
    let mut all = vec![(NT_PRSTATUS, set(seized.0, NT_PRSTATUS)?)];
    for kind in [NT_PRFPREG, NT_X86_XSTATE] {
        all.extend(set(seized.0, kind).ok().map(|bytes| (kind, bytes)));
    }
    Ok(all)
}
