//! Files by their dentries: which directory, which name.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::rule::*;

use crate::element;
use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::rule_maps::KNOWN;
use crate::task::{load32, load64, loadp};

/// Words of a file's name.
pub const WORDS: usize = FILE_LEN / 8;
/// Words of a name that stands in the dentry itself: 32 bytes up to 6.7, 40 later (`include/linux/dcache.h`); the
/// end of it is what all have.
const INLINE: usize = 4;
/// "run", NUL-padded.
pub const RUN_FILE: u64 = 0x006e_7572;

/// A `dentry` as an integer that the verifier still knows as a pointer.
pub type Dentry = usize;

/// The file that an exec has opened: a script, until its interpreter takes its place.
#[inline(always)]
pub fn of_exec(bprm: usize) -> Dentry {
    loadp(loadp(bprm, off_bprm_file()), off_file_dentry())
}

/// Device and inode of a directory.
#[inline(always)]
pub fn place(d: Dentry) -> (u64, u64) {
    let inode = loadp(d, off_dentry_inode());
    (load32(loadp(inode, off_inode_sb()), off_sb_dev()) as u64, load64(inode, off_inode_ino()))
}

/// The directory that it is in.
#[inline(always)]
pub fn parent(d: Dentry) -> Dentry {
    loadp(d, off_dentry_parent())
}

/// What is left of each inline word of a name of so many bytes. A table, because each comparison would be a fork in the way.
static MASKS: [[u64; INLINE]; 8 * INLINE] = masks();

const fn masks() -> [[u64; INLINE]; 8 * INLINE] {
    let mut all = [[0; INLINE]; 8 * INLINE];
    let mut len = 0;
    while len < 8 * INLINE {
        let mut byte = 0;
        while byte < len {
            all[len][byte / 8] |= 0xff << (8 * (byte % 8));
            byte += 1;
        }
        len += 1;
    }
    all
}

/// Its name; false when that is too long. What stands behind its end in the dentry is another one's.
///
/// # Safety
/// `to` points to words of a map's element, which are 0.
#[inline(always)]
unsafe fn name(d: Dentry, to: *mut [u64; WORDS]) -> bool {
    let len = load32(d, off_dentry_len()) as usize;
    if len >= 8 * INLINE {
        return long(d, to);
    }
    let its = &MASKS[len & (8 * INLINE - 1)];
    let mut i = 0;
    while i < INLINE {
        // SAFETY: the caller's.
        unsafe { (*to)[i] = load64(d, off_dentry_inline() + 8 * i as u32) & its[i] };
        i += 1;
    }
    true
}

/// A name that does not stand in the dentry. The read is refused under lockdown=confidentiality: it answers an error.
#[inline(always)]
fn long(d: Dentry, to: *mut [u64; WORDS]) -> bool {
    let at = load64(d, off_dentry_name());
    // SAFETY: FILE_LEN bytes of our own; a fault is an error.
    let n = unsafe { h::bpf_probe_read_kernel_str(to.cast(), FILE_LEN as u32, at as *const c_void) };
    n > 0 && n < FILE_LEN as i64
}

/// Some rule names this directory.
#[inline(always)]
pub fn known(set: u32, (dev, ino): (u64, u64)) -> bool {
    let Some(g) = GLOBAL.get_ptr(0) else { return false };
    // SAFETY: g points to a whole Global.
    if unsafe { core::ptr::read_volatile(&raw const (*g).rules_dirs) } & mark(ino) == 0 {
        return false;
    }
    KNOWN.get_ptr(&Known { dev, ino, set: set as u64 }).is_some()
}

/// A rule may be for this file.
#[inline(always)]
pub fn may_match(d: Dentry, set: u32) -> bool {
    let dir = parent(d);
    known(set, place(dir)) || is_run(d) && known(set, place(parent(dir)))
}

/// It is called `run`.
#[inline(always)]
fn is_run(d: Dentry) -> bool {
    load32(d, off_dentry_len()) == 3 && load32(d, off_dentry_inline()) as u64 & 0xff_ffff == RUN_FILE
}

/// Keeps which file an exec opens, when a rule may be for it. False: none is. `exec`: its number.
#[inline(always)]
pub fn keep(d: Dentry, set: u32, uid: u32, exec: u64) -> bool {
    if !may_match(d, set) {
        return false;
    }
    let Some(m) = element::blank(set, uid) else { return false };
    let dir = parent(d);
    let is_run = is_run(d);
    // SAFETY: m points to a whole Matched without a file.
    unsafe {
        (*m).exec = exec;
        ((*m).dev, (*m).ino) = place(dir);
        if is_run {
            ((*m).up_dev, (*m).up_ino) = place(parent(dir));
            if !name(dir, &raw mut (*m).above) {
                return false;
            }
        }
        name(d, &raw mut (*m).file)
    }
}

/// Keeps a working directory as the one of a file whose name is to come.
///
/// # Safety
/// `m` points to a whole element whose `above` is 0.
#[inline(always)]
pub unsafe fn keep_dir(dir: Dentry, m: *mut Matched) {
    // SAFETY: the caller's.
    unsafe {
        ((*m).dev, (*m).ino) = place(dir);
        ((*m).up_dev, (*m).up_ino) = if name(dir, &raw mut (*m).above) { place(parent(dir)) } else { (0, 0) };
    }
}
