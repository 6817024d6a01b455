//! The words of an exec, as the new program will see them. They decide only that `stop` and `status` open nothing.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::NAME_LEN;
use killer_common::rule::{ARGUMENT, COMMAND_LEN, Matched, SCRIPT};

use crate::{bytes, file};

/// Bytes of one word that are read.
const WORD: usize = 64;
/// Words of the interpreter that can stand before the script: its path, an option, the script.
const BEFORE: usize = 3;

/// Where the words of interest stand in the memory of the current task.
#[derive(Clone, Copy, Default)]
pub struct Words {
    /// What names the service: the script, or the first argument; 0 = not found.
    pub script: u64,
    /// Bytes of it with its NUL, and of the word after it.
    pub len: u64,
    /// The word after it is `stop` or `status`.
    pub quiet: bool,
}

#[inline(always)]
fn read(at: u64, to: &mut [u64; WORD / 8]) -> u64 {
    *to = [0; WORD / 8];
    // SAFETY: WORD bytes of our own; a fault is an error.
    let n = unsafe { h::bpf_probe_read_user_str(to.as_mut_ptr().cast(), WORD as u32, at as *const c_void) };
    if n > 0 && n < WORD as i64 { n as u64 } else { 0 }
}

/// Looks at the words that begin at `at`. What cannot be read is not quiet.
#[inline(never)]
pub fn look(mut at: u64, kind: u32, w: &mut Words) {
    let mut buf = [0u64; WORD / 8];
    let mut i = 0;
    while i < BEFORE + 1 {
        let n = read(at, &mut buf);
        if n == 0 {
            return;
        }
        let is = match kind {
            SCRIPT => i > 0 && bytes::has(&buf, b'/'),
            ARGUMENT => i == 1,
            _ => i == 0,
        };
        if is {
            w.script = at;
            w.len = n;
            break;
        }
        at += n;
        i += 1;
    }
    if w.script == 0 {
        return;
    }
    let n = read(w.script + w.len, &mut buf);
    w.quiet = n == 5 && buf[0] as u32 == u32::from_le_bytes(*b"stop")
        || n == 7 && buf[0] & 0xffff_ffff_ffff == u64::from_le_bytes(*b"status\0\0");
    w.len += n;
}

/// Keeps what was executed, as far as there is room.
///
/// # Safety
/// `to` points to [`COMMAND_LEN`] bytes of a map's element.
#[inline(always)]
pub unsafe fn keep(w: &Words, to: *mut u8) -> u32 {
    if w.script == 0 {
        return 0;
    }
    // SAFETY: the caller's; a fault is an error.
    let r = unsafe { h::bpf_probe_read_user(to.cast(), COMMAND_LEN as u32, w.script as *const c_void) };
    if r != 0 {
        return 0;
    }
    if w.len < COMMAND_LEN as u64 { w.len as u32 } else { COMMAND_LEN as u32 }
}

/// The name that an argument gives: its last part. Others have theirs. False: it has none.
#[inline(never)]
pub fn named(m: &mut Matched, w: &Words) -> bool {
    if m.kind != ARGUMENT {
        return true;
    }
    if w.script == 0 {
        return false;
    }
    // The last slash first: the place is kept, and the name read again from there.
    let mut buf = [0u64; NAME_LEN / 8];
    // SAFETY: NAME_LEN bytes of our own; a fault is an error.
    let n = unsafe {
        h::bpf_probe_read_user_str(buf.as_mut_ptr().cast(), NAME_LEN as u32, w.script as *const c_void)
    };
    if n <= 1 || n >= NAME_LEN as i64 {
        return false;
    }
    let mut after = 0;
    let mut i = 0;
    while i < NAME_LEN {
        if (buf[i / 8] >> (8 * (i & 7))) as u8 == b'/' {
            after = i as u64 + 1;
        }
        i += 1;
    }
    m.name = [0; NAME_LEN / 8];
    // SAFETY: as above.
    let n = unsafe {
        h::bpf_probe_read_user_str(
            m.name.as_mut_ptr().cast(),
            NAME_LEN as u32,
            (w.script + after) as *const c_void,
        )
    };
    n > 1 && n < NAME_LEN as i64 && file::valid(&m.name)
}
