//! Which processes run a program that is wanted: compared when it is executed, and kept for all that the process does then.
//!
//! That is known of each process of the host, since one may become a member at any time.

use aya_ebpf::helpers::generated as h;
use aya_ebpf::maps::{Array, HashMap};
use killer_common::record::Member;
use killer_common::watch::*;

use super::events;
use crate::knobs::*;
use crate::task::{self, Task, loadp};

/// The glob.
#[aya_ebpf::macros::map]
static EXE: Array<Glob> = Array::with_max_entries(1, 0);
/// 1: it matches the process's program.
#[aya_ebpf::macros::map]
static RUNS: HashMap<Runs, u32> = HashMap::with_max_entries(MOST_RUNS, 0);

/// 1: there is a glob.
#[unsafe(no_mangle)]
static WATCH_EXE: u32 = 0;

/// Nanoseconds in a tick of /proc.
const TICK: u64 = 10_000_000;

#[inline(always)]
fn compares() -> bool {
    // SAFETY: a static of this object; volatile, so that LLVM does not fold the default in.
    unsafe { core::ptr::read_volatile(&raw const WATCH_EXE) != 0 }
}

#[inline(always)]
fn key(tgid: u32, start: u64) -> Runs {
    Runs { tgid, pad: 0, start: start / TICK }
}

#[inline(always)]
fn known(key: &Runs) -> Option<u32> {
    // SAFETY: the value is a number.
    unsafe { RUNS.get(key).copied() }
}

/// Events of what has no place here are missing: counted as lost.
#[inline(always)]
fn keep(key: &Runs, matches: u32) {
    if RUNS.insert(key, &matches, 0).is_err() && matches != 0 {
        events::lose();
    }
}

/// True when events of the process are wanted.
#[inline(always)]
pub fn wanted(t: Task) -> bool {
    !compares() || known(&key(task::tgid(t), task::leader_start(t))) == Some(1)
}

/// A process runs what the one that forked it does.
#[inline(always)]
pub fn born(t: Task, member: Option<*mut Member>) {
    if !compares() {
        return;
    }
    let start = match (task::current_start(), member) {
        // SAFETY: m points to a whole Member.
        (0, Some(m)) => unsafe { (*m).creator_start },
        (start, _) => start,
    };
    if let Some(matches) = known(&key(task::current_tgid(), start)) {
        keep(&key(task::tgid(t), task::leader_start(t)), matches);
    }
}

/// A process has executed a program.
#[inline(always)]
pub fn executed(t: Task, bprm: usize) {
    if compares() {
        let matches = u32::from(matches(loadp(bprm, off_bprm_name())));
        keep(&key(task::tgid(t), task::leader_start(t)), matches);
    }
}

/// A process ends; whether its events are wanted.
#[inline(always)]
pub fn ended(t: Task) -> bool {
    if !compares() {
        return true;
    }
    let key = key(task::tgid(t), task::leader_start(t));
    let wanted = known(&key) == Some(1);
    let _ = RUNS.remove(&key);
    wanted
}

/// Whether a path matches the glob. One that cannot be read, or not in whole, does: rather shown than left out.
#[inline(always)]
fn matches(name: usize) -> bool {
    let Some(glob) = EXE.get_ptr(0) else { return true };
    if reads_kernel() == 0 {
        return true;
    }
    let mut path = core::mem::MaybeUninit::<[u8; PATH]>::uninit();
    // SAFETY: the helper writes no more than it is told to, and the verifier knows that all of it may be read then.
    let n = unsafe { h::bpf_probe_read_kernel_str(path.as_mut_ptr().cast(), PATH as u32, name as *const _) };
    if n <= 0 || n as usize >= PATH {
        return true;
    }
    // SAFETY: glob points to a whole Glob.
    let (stays, end, slash) = unsafe { ((*glob).stays, (*glob).end, (*glob).slash) };
    let mut at = Glob::BEGIN;
    for i in 0..PATH {
        // SAFETY: inside of the array, and of the table.
        let (byte, takes) = unsafe {
            let byte = core::ptr::read_volatile(path.as_ptr().cast::<u8>().add(i));
            (byte, (*glob).takes[usize::from(byte)])
        };
        if byte == 0 {
            break;
        }
        at = if byte == b'/' && slash != 0 { Glob::BEGIN } else { Glob::step(at, takes, stays) };
    }
    Glob::ends(at, end)
}
