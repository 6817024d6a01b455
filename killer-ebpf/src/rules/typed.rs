//! Files by what was typed: where no hook sees the script itself, its path as it was given to execve(2) has to do. Programs are
//! known by their files all the same. And the script that a shell is given.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::rule::*;

use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::rule_maps::PATHS;
use crate::task::{Task, load64, loadp};
use crate::{bytes, element, file};

/// What is executed is read by another program, which has taken its place.
#[inline(always)]
pub fn is_script(bprm: usize) -> bool {
    load64(bprm, off_bprm_name()) != load64(bprm, off_bprm_interp())
}

/// Keeps the script that the current task executes. False: no rule can be for it.
#[inline(always)]
pub fn keep(t: Task, bprm: usize, set: u32, uid: u32) -> bool {
    let (mut name, mut first) = (0u64, 0u64);
    // SAFETY: eight bytes of our own; a fault is an error. By a helper: what a load gives is a pointer to the verifier, and stages take
    // numbers.
    let unread = unsafe {
        let at = (bprm + off_bprm_name() as usize) as *const c_void;
        h::bpf_probe_read_kernel((&raw mut name).cast(), 8, at);
        h::bpf_probe_read_kernel((&raw mut first).cast(), 8, name as *const c_void)
    };
    let inside = if unread != 0 || first as u8 == b'/' {
        (unread != 0 || begins(first)) && rule_typed(name, set) != 0
    } else {
        let pwd = loadp(loadp(t, off_fs()), off_fs_pwd());
        file::known(set, file::place(pwd)) || file::known(set, file::place(file::parent(pwd)))
    };
    if !inside {
        return false;
    }
    let Some(m) = element::blank(set, uid) else { return false };
    // SAFETY: m points to a whole Matched.
    unsafe { (*m).script = name };
    keep_pwd(t, m);
    rule_path(KERNEL) != 0
}

/// The path of some directory that a rule names may begin so.
#[inline(always)]
fn begins(first: u64) -> bool {
    let Some(g) = GLOBAL.get_ptr(0) else { return false };
    // SAFETY: g points to a whole Global.
    unsafe { core::ptr::read_volatile(&raw const (*g).rules_paths) & mark(first) != 0 }
}

/// Stage: the path at `at` is absolute, and in a directory that a rule names.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_typed(at: u64, set: u32) -> u32 {
    let mut p = PathKey { prefix_len: PathKey::WHOLE, set, path: [0; PATH_LEN / 8] };
    // SAFETY: as in `rule_path`.
    unsafe {
        read(p.path.as_mut_ptr().cast(), PATH_LEN, at, KERNEL);
        if p.path[0] as u8 != b'/' {
            return 0;
        }
        !h::bpf_map_lookup_elem((&raw const PATHS) as *mut c_void, (&raw const p).cast()).is_null() as u32
    }
}

/// Keeps the working directory of the current task: what is typed is relative to it.
#[inline(always)]
pub fn keep_pwd(t: Task, m: *mut Matched) {
    // SAFETY: m points to a whole Matched without a directory.
    unsafe { file::keep_dir(loadp(loadp(t, off_fs()), off_fs_pwd()), m) }
}

/// Reads a string of the kernel's memory, or of the current task's.
///
/// # Safety
/// `to` points to `len` bytes of our own.
#[inline(always)]
unsafe fn read(to: *mut c_void, len: usize, at: u64, whose: u32) -> bool {
    // SAFETY: the caller's; a fault is an error.
    let n = unsafe {
        match whose {
            KERNEL => h::bpf_probe_read_kernel_str(to, len as u32, at as *const c_void),
            _ => h::bpf_probe_read_user_str(to, len as u32, at as *const c_void),
        }
    };
    n > 1 && n < len as i64
}

/// Where a path stands: in the kernel's memory, or in the current task's.
const KERNEL: u32 = 0;
pub const USER: u32 = 1;

/// Stage: the path that stands at the kept place is the file's; the directory that it is relative to is kept. 0: no rule can be for it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_path(whose: u32) -> u32 {
    let Some(m) = element::mine() else { return 0 };
    // SAFETY: m points to a whole Matched.
    unsafe {
        let at = (*m).script;
        if whose == KERNEL {
            (*m).script = 0;
        }
        let mut p = PathKey { prefix_len: PathKey::WHOLE, set: (*m).set, path: [0; PATH_LEN / 8] };
        // What is longer than that is cut: directories are not.
        read(p.path.as_mut_ptr().cast(), PATH_LEN, at, whose);
        let mut before = 0;
        if p.path[0] as u8 == b'/' {
            let d = h::bpf_map_lookup_elem((&raw const PATHS) as *mut c_void, (&raw const p).cast());
            let Some(d) = (d as *const Directory).as_ref() else { return 0 };
            ((*m).dev, (*m).ino) = (d.dev, d.ino);
            (*m).up_ino = 0;
            before = d.len;
        } else if p.path[0] as u16 == u16::from_le_bytes(*b"./") {
            before = 2;
        }
        (*m).file = [0; FILE_LEN / 8];
        let there = read((&raw mut (*m).file).cast(), FILE_LEN, at + before, whose);
        // A slash: it is in a directory below.
        (there && !bytes::has(&(*m).file, b'/')) as u32
    }
}
