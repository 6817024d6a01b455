//! Execs: written by the process itself, at the point of no return.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::generated as h;
use aya_ebpf::maps::{HashMap, LruHashMap, PerCpuArray};
use killer_common::record::TaskKey;
use killer_common::recorder::*;

use crate::knobs::*;
use crate::task::{self, Task, load32, load64, loadp};
use crate::{directory, nodes};

/// By process and place.
#[aya_ebpf::macros::map]
static EXECS: HashMap<ExecKey, Exec> = HashMap::pinned(MAX_EXECS, 0);
/// The last exec of those that have ended and have no descendant.
#[aya_ebpf::macros::map]
static PAST_EXECS: LruHashMap<TaskKey, Exec> = LruHashMap::pinned(MAX_PAST, 0);
/// One that is being written. A program is not run by a processor that runs it (7.0+), or is not preempted (before).
#[aya_ebpf::macros::map]
static DRAFT: PerCpuArray<Draft> = PerCpuArray::pinned(1, 0);

/// Notes an exec of the current process, whose node is `n`.
#[inline(always)]
pub fn note(t: Task, bprm: usize, key: &TaskKey, n: *mut Node) {
    let Some(d) = DRAFT.get_ptr_mut(0) else { return };
    // SAFETY: n points to a whole Node, d to a whole Draft.
    unsafe {
        let e = &raw mut (*d).exec;
        let nth = (*n).execs;
        (*e).key = *key;
        (*e).at = task::boottime();
        (*e).nth = nth;
        (*e).uid = (*n).uid;
        (*e).euid = (*n).euid;
        (*e).pad = 0;
        let file = loadp(bprm, off_bprm_file());
        let dentry = loadp(file, off_file_dentry());
        let inode = loadp(dentry, off_dentry_inode());
        (*e).inode = load64(inode, off_inode_ino());
        (*e).dev = load32(loadp(inode, off_inode_sb()), off_sb_dev());
        let mut flags = if load32(inode, off_inode_links()) == 0 { E_DELETED } else { 0 };
        (*e).path[0] = 0;
        (*e).file[0] = 0;
        (*e).dir[0] = 0;
        (*e).dir_len = 0;
        if reads_kernel() != 0 {
            let (name, interpreter) = (load64(bprm, off_bprm_name()), load64(bprm, off_bprm_interp()));
            if name != interpreter {
                flags |= E_SCRIPT;
            }
            h::bpf_probe_read_kernel_str((&raw mut (*e).path).cast(), PATH as u32, name as *const _);
            let own = load64(dentry, off_dentry_name());
            h::bpf_probe_read_kernel_str((&raw mut (*e).file).cast(), FILE as u32, own as *const _);
            if directory::is_internal(load64(file, off_file_mount())) {
                flags |= E_MEMORY;
            }
            flags |= directory::note(loadp(t, off_fs()), d);
        } else {
            flags |= E_NO_NAMES;
        }
        flags |= arguments(loadp(t, off_mm()), e);
        (*e).flags = flags;
        let at = ExecKey { tgid: key.tgid, place: place(nth), start: key.start };
        (*n).execs = nth + 1;
        if EXECS.insert(&at, &*e, BPF_ANY as u64).is_err() {
            nodes::lose(|r| &raw mut (*r).lost_execs);
        }
    }
}

/// # Safety
/// `e` points to a whole Exec.
#[inline(always)]
unsafe fn arguments(mm: usize, e: *mut Exec) -> u32 {
    let from = load64(mm, off_args());
    let len = load64(mm, off_args() + 8).wrapping_sub(from);
    let most = if len > ARGS as u64 - 1 { ARGS as u64 - 1 } else { len };
    // SAFETY: the caller's; the helper writes no more than it is told to.
    unsafe {
        (*e).args_len = if len > u32::MAX as u64 { u32::MAX } else { len as u32 };
        let to = (&raw mut (*e).args).cast();
        match h::bpf_probe_read_user(to, most as u32 & (ARGS as u32 - 1), from as *const _) {
            0 => 0,
            _ => E_NO_ARGS,
        }
    }
}

/// The execs of a node that is gone: the last one is remembered for a while.
#[inline(always)]
pub fn past(k: &TaskKey, count: u32) {
    if count == 0 {
        return;
    }
    let mut at = ExecKey { tgid: k.tgid, place: place(count - 1), start: k.start };
    if let Some(e) = EXECS.get_ptr(&at) {
        // SAFETY: e points to a whole Exec.
        let _ = unsafe { PAST_EXECS.insert(k, &*e, BPF_ANY as u64) };
    }
    // The count stays in a register: what a helper has seen is unknown to the verifier.
    let mut place = 0;
    while place < PLACES {
        if place < count {
            at.place = place;
            let _ = EXECS.remove(&at);
        }
        place += 1;
    }
}
