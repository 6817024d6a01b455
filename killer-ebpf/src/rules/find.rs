//! The rule for a file.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as h;
use killer_common::NAME_LEN;
use killer_common::rule::*;

use crate::file::{RUN_FILE, WORDS};
use crate::rule_maps::RULES;
use crate::{bytes, element};

/// Stage: the rule for the file that is kept, and the service's name. Its kind; 0: there is none, or the name cannot be said.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn rule_find() -> u32 {
    let Some(m) = element::mine() else { return 0 };
    // SAFETY: m points to a whole Matched.
    unsafe {
        let mut key = FileKey {
            prefix_len: FileKey::FILE,
            set: (*m).set,
            dev: (*m).dev,
            ino: (*m).ino,
            file: (*m).file,
        };
        let mut its = (&raw const (*m).file).cast::<u64>();
        let mut found = look_up(&key);
        if found.is_none() && key.file[0] == RUN_FILE && (*m).up_ino != 0 {
            (key.dev, key.ino) = ((*m).up_dev, (*m).up_ino);
            found = look_up(&key).filter(|r| r.kind == RUN);
            its = (&raw const (*m).above).cast();
        }
        let Some(r) = found else { return 0 };
        let kind = r.kind;
        if kind == EXCEPT || r.uid != (*m).uid {
            return 0;
        }
        if r.name[0] != 0 {
            (*m).name = r.name;
        } else if kind == SHELL || kind == ARGUMENT {
            // Its words say it.
        } else if !stripped(its, r.strip, &raw mut (*m).name) {
            return 0;
        }
        (*m).kind = kind;
        kind
    }
}

#[inline(always)]
fn look_up(key: &FileKey) -> Option<&'static Rule> {
    // SAFETY: map and key are as the map was made; elements are freed after a grace period.
    unsafe {
        let p = h::bpf_map_lookup_elem((&raw const RULES) as *mut c_void, (&raw const *key).cast());
        (p as *const Rule).as_ref()
    }
}

/// Cuts a prefix of up to seven bytes off a file's name. Without a loop: each way out of one is a way of its own to the verifier, which goes
/// through all that comes after it again.
///
/// # Safety
/// `its` points to the [`WORDS`] words of a file's name, `to` to those of a service's.
#[inline(always)]
unsafe fn stripped(its: *const u64, strip: u64, to: *mut [u64; NAME_LEN / 8]) -> bool {
    let ends = bytes::zeros(strip);
    let any = bytes::whole(bytes::zeros(strip ^ bytes::all(b'?')));
    // SAFETY: the caller's.
    unsafe {
        if (*its ^ strip) & !bytes::whole(ends) & !any != 0 {
            return false;
        }
        let shift = (8 * bytes::count(!ends & bytes::all(0x80))) & 63;
        let mut i = 0;
        while i < NAME_LEN / 8 {
            let next = if i + 1 < WORDS { *its.add(i + 1) } else { 0 };
            // In two steps: a shift by 64 is one by 0.
            (*to)[i] = *its.add(i) >> shift | next << 1 << (63 - shift);
            i += 1;
        }
        valid(to)
    }
}

/// A name that can be said: nothing empty, no control characters or globs, no leading dash. User space checks the rest.
///
/// # Safety
/// `name` points to the words of a name.
#[inline(always)]
pub unsafe fn valid(name: *const [u64; NAME_LEN / 8]) -> bool {
    // SAFETY: the caller's.
    let word = |i: usize| unsafe { (*name)[i] };
    let first = word(0) & 0xff;
    let mut bad = (first == 0) as u64 | (first == b'-' as u64) as u64;
    let mut i = 0;
    while i < NAME_LEN / 8 {
        // The end, and what is behind it, becomes a letter.
        let w = word(i) | bytes::zeros(word(i)) >> 1;
        bad |= bytes::below(w, b' ' + 1);
        bad |= bytes::zeros(w ^ bytes::all(127)) | bytes::zeros(w ^ bytes::all(b'*'));
        bad |= bytes::zeros(w ^ bytes::all(b'?')) | bytes::zeros(w ^ bytes::all(b'['));
        i += 1;
    }
    bad == 0
}
