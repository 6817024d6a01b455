//! Files by their dentries: which directory, which name; and the rule for one.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::NAME_LEN;
use killer_common::rule::*;

use crate::bytes;
use crate::knobs::*;
use crate::rule_maps::{KNOWN, RULES};
use crate::task::{load32, load64, loadp};

/// Words of a file's name.
pub const WORDS: usize = FILE_LEN / 8;
/// Words of a name that stands in the dentry itself: 32 bytes up to 6.7, 40 later (`include/linux/dcache.h`); the
/// end of it is what all have.
const INLINE: usize = 4;
/// "run", NUL-padded.
const RUN_FILE: u64 = 0x006e_7572;

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

/// Its name; false when that is too long. What stands behind its end in the dentry is another one's.
#[inline(always)]
pub fn name(d: Dentry, to: &mut [u64; WORDS]) -> bool {
    let len = load32(d, off_dentry_len()) as usize;
    if len >= 8 * INLINE {
        return long(d, to);
    }
    let mut i = 0;
    while i < INLINE {
        let word = load64(d, off_dentry_inline() + 8 * i as u32);
        to[i] = if len >= 8 * i + 8 {
            word
        } else if len > 8 * i {
            word & ((1 << (8 * (len & 7))) - 1)
        } else {
            0
        };
        i += 1;
    }
    true
}

/// A name that does not stand in the dentry. The read is refused under lockdown=confidentiality: it answers an error.
#[inline(always)]
fn long(d: Dentry, to: &mut [u64; WORDS]) -> bool {
    let at = load64(d, off_dentry_name());
    // SAFETY: FILE_LEN bytes of our own; a fault is an error.
    let n =
        unsafe { h::bpf_probe_read_kernel_str(to.as_mut_ptr().cast(), FILE_LEN as u32, at as *const c_void) };
    n > 0 && n < FILE_LEN as i64
}

/// The rule for a file of this key.
#[inline(always)]
fn look_up(key: &FileKey) -> Option<&'static Rule> {
    let dir = Known { dev: key.dev, ino: key.ino, set: key.set as u64 };
    KNOWN.get_ptr(&dir)?;
    // SAFETY: map and key are as the map was made; elements are freed after a grace period.
    unsafe {
        let p = h::bpf_map_lookup_elem((&raw const RULES) as *mut c_void, (&raw const *key).cast());
        (p as *const Rule).as_ref()
    }
}

/// What a file opens: kind, and the service's name in `m`. `of`: the directory's dentry, where that is known; 0 else.
#[inline(always)]
pub fn rule(key: &mut FileKey, of: Dentry, uid: u32, m: &mut Matched) -> bool {
    let mut found = look_up(key);
    let mut its = key.file;
    if found.is_none() && of != 0 && key.file[0] == RUN_FILE {
        (key.dev, key.ino) = place(parent(of));
        found = look_up(key).filter(|r| r.kind == RUN);
        if found.is_some() && !name(of, &mut its) {
            return false;
        }
    }
    let Some(r) = found else { return false };
    if r.kind == EXCEPT || r.uid != uid {
        return false;
    }
    m.kind = r.kind;
    if r.name[0] != 0 {
        m.name = r.name;
        return true;
    }
    stripped(&its, r.strip, m)
}

/// Cuts a prefix of up to seven bytes off a file's name. Without a loop: each way out of one is a way of its own to the verifier, which goes
/// through all that comes after it again.
#[inline(always)]
fn stripped(its: &[u64; WORDS], strip: u64, m: &mut Matched) -> bool {
    let ends = bytes::zeros(strip);
    let any = bytes::whole(bytes::zeros(strip ^ bytes::all(b'?')));
    if (its[0] ^ strip) & !bytes::whole(ends) & !any != 0 {
        return false;
    }
    let shift = (8 * bytes::count(!ends & bytes::all(0x80))) & 63;
    let mut i = 0;
    while i < NAME_LEN / 8 {
        let next = if i + 1 < WORDS { its[i + 1] } else { 0 };
        // In two steps: a shift by 64 is one by 0.
        m.name[i] = its[i] >> shift | next << 1 << (63 - shift);
        i += 1;
    }
    valid(&m.name)
}

/// A name that can be said: nothing empty, no control characters or globs, no leading dash. User space checks the rest.
#[inline(always)]
pub fn valid(name: &[u64; NAME_LEN / 8]) -> bool {
    let first = name[0] & 0xff;
    let mut bad = (first == 0) as u64 | (first == b'-' as u64) as u64;
    let mut i = 0;
    while i < NAME_LEN / 8 {
        // The end, and what is behind it, becomes a letter.
        let w = name[i] | bytes::zeros(name[i]) >> 1;
        bad |= bytes::below(w, b' ' + 1);
        bad |= bytes::zeros(w ^ bytes::all(127)) | bytes::zeros(w ^ bytes::all(b'*'));
        bad |= bytes::zeros(w ^ bytes::all(b'?')) | bytes::zeros(w ^ bytes::all(b'['));
        i += 1;
    }
    bad == 0
}
