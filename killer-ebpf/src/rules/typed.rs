//! Files by what was typed: where no hook sees the script itself, its path as it was given to execve(2) has to do. Programs are
//! known by their files all the same.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::rule::*;

use crate::bytes;
use crate::file::{self, WORDS};
use crate::knobs::*;
use crate::rule_maps::PATHS;
use crate::task::{Task, load64, loadp};

/// What an exec of the current task opens.
#[inline(never)]
pub fn matches(t: Task, bprm: usize, set: u32, uid: u32, m: &mut Matched) -> bool {
    let name = load64(bprm, off_bprm_name());
    let mut key = FileKey { prefix_len: FileKey::FILE, set, dev: 0, ino: 0, file: [0; WORDS] };
    let dir;
    if name == load64(bprm, off_bprm_interp()) {
        let d = file::of_exec(bprm);
        dir = file::parent(d);
        (key.dev, key.ino) = file::place(dir);
        if !file::name(d, &mut key.file) {
            return false;
        }
    } else {
        let mut first = 0u32;
        // SAFETY: four bytes of our own; a fault is an error.
        unsafe { h::bpf_probe_read_kernel((&raw mut first).cast(), 4, name as *const c_void) };
        let at = if first as u8 == b'/' {
            dir = 0;
            match absolute(name, &mut key) {
                Some(n) => name + n,
                None => return false,
            }
        } else {
            let pwd = loadp(loadp(t, off_fs()), off_fs_pwd());
            dir = pwd;
            (key.dev, key.ino) = file::place(pwd);
            name + if first as u16 == u16::from_le_bytes(*b"./") { 2 } else { 0 }
        };
        // SAFETY: FILE_LEN bytes of our own; a fault is an error.
        let n = unsafe {
            h::bpf_probe_read_kernel_str(key.file.as_mut_ptr().cast(), FILE_LEN as u32, at as *const c_void)
        };
        // A slash: it is in a directory below.
        if n <= 1 || n >= FILE_LEN as i64 || bytes::has(&key.file, b'/') {
            return false;
        }
    }
    file::rule(&mut key, dir, uid, m)
}

/// Which of the directories that rules name a path begins with, and how long that is.
#[inline(never)]
fn absolute(name: u64, key: &mut FileKey) -> Option<u64> {
    let mut p = PathKey { prefix_len: PathKey::WHOLE, set: key.set, path: [0; PATH_LEN / 8] };
    // SAFETY: PATH_LEN bytes of our own; a fault is an error. Elements are freed after a grace period.
    let d = unsafe {
        h::bpf_probe_read_kernel_str(p.path.as_mut_ptr().cast(), PATH_LEN as u32, name as *const c_void);
        let d = h::bpf_map_lookup_elem((&raw const PATHS) as *mut c_void, (&raw const p).cast());
        (d as *const Directory).as_ref()
    }?;
    (key.dev, key.ino) = (d.dev, d.ino);
    Some(d.len)
}
