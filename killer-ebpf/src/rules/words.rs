//! The words of an exec, as the new program will see them. They decide that `stop` and `status` open nothing, and which service an argument
//! names.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::NAME_LEN;
use killer_common::rule::{ARGUMENT, COMMAND_LEN, Matched, SCRIPT, SHELL};

use crate::{bytes, element, find};

/// Bytes of one word that are read.
const WORD: usize = 64;
/// Words of the interpreter that can stand before the script: its path, an option, the script.
const BEFORE: usize = 3;

#[inline(always)]
fn read(at: u64, to: &mut [u64; WORD / 8]) -> u64 {
    *to = [0; WORD / 8];
    // SAFETY: WORD bytes of our own; a fault is an error.
    let n = unsafe { h::bpf_probe_read_user_str(to.as_mut_ptr().cast(), WORD as u32, at as *const c_void) };
    if n > 0 && n < WORD as i64 { n as u64 } else { 0 }
}

/// Stage: looks at the words that begin at `at`. 0: nothing is to be opened. What cannot be read opens, unless the name stands there.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_words(mut at: u64) -> u32 {
    let Some(m) = element::mine() else { return 0 };
    // SAFETY: m points to a whole Matched.
    let kind = unsafe { (*m).kind };
    let unread = (kind != ARGUMENT && kind != SHELL) as u32;
    let mut buf = [0u64; WORD / 8];
    let mut script = 0;
    let mut i = 0;
    while i < BEFORE + 1 {
        let n = read(at, &mut buf);
        if n == 0 {
            return unread;
        }
        let option = buf[0] as u8 == b'-';
        let is = match kind {
            SCRIPT => i > 0 && bytes::has(&buf, b'/'),
            ARGUMENT => i == 1,
            // What follows `-c` is no file.
            SHELL if i > 0 && option && (buf[0] >> 8) as u8 != b'-' && bytes::has(&buf, b'c') => return 0,
            SHELL => i > 0 && !option,
            _ => i == 0,
        };
        if is {
            script = at;
            at += n;
            break;
        }
        at += n;
        i += 1;
    }
    if script == 0 {
        return unread;
    }
    let n = read(at, &mut buf);
    // SAFETY: as above.
    unsafe {
        (*m).script = script;
        (*m).len = at + n - script;
    }
    let quiet = n == 5 && buf[0] as u32 == u32::from_le_bytes(*b"stop")
        || n == 7 && buf[0] & 0xffff_ffff_ffff == u64::from_le_bytes(*b"status\0\0");
    !quiet as u32
}

/// Keeps what was executed, as far as there is room.
///
/// # Safety
/// `to` points to [`COMMAND_LEN`] bytes of a map's element, `m` to a whole Matched.
#[inline(always)]
pub unsafe fn keep(m: *const Matched, to: *mut u8) -> u32 {
    // SAFETY: the caller's; a fault is an error.
    unsafe {
        let (script, len) = ((*m).script, (*m).len);
        if script == 0 {
            return 0;
        }
        if h::bpf_probe_read_user(to.cast(), COMMAND_LEN as u32, script as *const c_void) != 0 {
            return 0;
        }
        if len < COMMAND_LEN as u64 { len as u32 } else { COMMAND_LEN as u32 }
    }
}

/// Stage: the name that an argument gives, its last part. 0: it has none.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_argument() -> u32 {
    let Some(m) = element::mine() else { return 0 };
    // SAFETY: m points to a whole Matched; NAME_LEN bytes of our own; a fault is an error.
    unsafe {
        let script = (*m).script;
        let mut buf = [0u64; NAME_LEN / 8];
        let n = h::bpf_probe_read_user_str(buf.as_mut_ptr().cast(), NAME_LEN as u32, script as *const c_void);
        if n <= 1 || n >= NAME_LEN as i64 {
            return 0;
        }
        // The last slash first: the place is kept, and the name read again from there.
        let mut after = 0;
        let mut i = 0;
        while i < NAME_LEN {
            if (buf[i / 8] >> (8 * (i & 7))) as u8 == b'/' {
                after = i as u64 + 1;
            }
            i += 1;
        }
        (*m).name = [0; NAME_LEN / 8];
        let name = &raw mut (*m).name;
        let from = (script + after) as *const c_void;
        let n = h::bpf_probe_read_user_str(name.cast(), NAME_LEN as u32, from);
        (n > 1 && n < NAME_LEN as i64 && find::valid(name)) as u32
    }
}
