//! Nodes: who holds whom, and when one is freed.

use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use killer_common::record::TaskKey;
use killer_common::recorder::*;

use crate::execs;
use crate::knobs::{off_cred, off_euid, off_uid};
use crate::maps::{BIRTHS, EEXIST, add32, add64};
use crate::task::{self, Task, load32, loadp};

/// Those that live, and those that somebody holds.
#[aya_ebpf::macros::map]
pub static NODES: HashMap<TaskKey, Node> = HashMap::pinned(MAX_NODES, 0);
/// Which process has a number: whose delete it was has seen its end.
#[aya_ebpf::macros::map]
static ALIVE: HashMap<u32, u64> = HashMap::pinned(MAX_NODES, 0);
/// The last ones of the others.
#[aya_ebpf::macros::map]
static PAST: LruHashMap<TaskKey, Node> = LruHashMap::pinned(MAX_PAST, 0);
/// The recorder itself.
#[aya_ebpf::macros::map]
static RECORDER: Array<Recorder> = Array::pinned(1, 0);
/// `MEMBERS` or `EVERYBODY`; user space writes it.
#[aya_ebpf::macros::map]
static SCOPE: Array<u32> = Array::pinned(1, 0);

/// True when only members are recorded.
#[inline(always)]
pub fn members_only() -> bool {
    // SAFETY: s points to a number.
    SCOPE.get_ptr(0).is_none_or(|s| unsafe { core::ptr::read_volatile(s) } != EVERYBODY)
}

/// One more, or one less, with these flags holds a node.
#[inline(always)]
fn held(n: *mut Node, flags: u32, v: i32) {
    // SAFETY: n points to a whole Node.
    unsafe {
        if flags & N_OUTSIDE != 0 {
            add32(&raw mut (*n).outside, v as u32);
        }
        add32(&raw mut (*n).refs, v as u32);
    }
}

/// Counts something that is left out.
#[inline(always)]
pub fn lose(of: impl FnOnce(*mut Recorder) -> *mut u64) {
    if let Some(r) = RECORDER.get_ptr_mut(0) {
        add64(of(r), 1);
    }
}

/// Everybody has been met.
#[inline(always)]
pub fn complete() {
    if let Some(r) = RECORDER.get_ptr_mut(0) {
        // SAFETY: r points to a whole Recorder.
        unsafe { core::ptr::write_volatile(&raw mut (*r).complete, task::boottime()) };
    }
}

/// The node of a process.
#[inline(always)]
pub fn of(k: &TaskKey) -> Option<*mut Node> {
    NODES.get_ptr_mut(k)
}

/// Makes the node of the process whose leader is the task `t` at `addr`. `flags`: `N_BEFORE`, or 0 where `creator` has forked it in this
/// moment. One that is there already stays.
#[inline(always)]
pub fn make(t: Task, addr: u64, creator: &TaskKey, flags: u32) {
    let key = task::key(t);
    let flags = if BIRTHS.get_ptr(&addr).is_none() { flags | N_OUTSIDE } else { flags };
    let mut n = Node { key, creator: *creator, refs: 1, flags, ..Node::default() };
    let cred = loadp(t, off_cred());
    n.uid = load32(cred, off_uid());
    n.euid = load32(cred, off_euid());
    n.inode = task::inode(t);
    n.comm = task::comm(t);
    n.born = if flags & N_BEFORE != 0 { key.start } else { task::boottime() };
    let mut holder = None;
    if let Some(c) = of(creator) {
        // SAFETY: c points to a whole Node.
        unsafe {
            n.depth = (*c).depth + 1;
            n.holder = if (*c).depth < HOLDERS { *creator } else { (*c).holder };
            holder = if (*c).depth < HOLDERS { Some(c) } else { of(&n.holder) };
        }
    }
    // It is held by its creator, which lives, or by what that holds: so it does not go before this is counted.
    match holder {
        Some(h) => held(h, flags, 1),
        None => n.holder = TaskKey::default(),
    }
    match NODES.insert(&key, &n, BPF_NOEXIST as u64) {
        Ok(()) => alive(&key),
        Err(e) => {
            if e != EEXIST {
                // SAFETY: r points to a whole Recorder.
                lose(|r| unsafe { &raw mut (*r).lost_nodes });
            }
            if let Some(h) = holder {
                held(h, flags, -1);
            }
        }
    }
}

/// Start of the process that has a number; 0: it is not recorded.
#[inline(always)]
pub fn start_of(tgid: u32) -> u64 {
    // SAFETY: plain data.
    unsafe { ALIVE.get(&tgid) }.map_or(0, |start| *start)
}

/// A number has a process. One that had it before has ended, and no program saw that.
#[inline(always)]
fn alive(k: &TaskKey) {
    // SAFETY: plain data.
    if let Some(before) = unsafe { ALIVE.get(&k.tgid) } {
        let old = TaskKey { tgid: k.tgid, pad: 0, start: *before };
        if old.start != k.start {
            // SAFETY: r points to a whole Recorder.
            lose(|r| unsafe { &raw mut (*r).lost_ends });
            ended(&old, 0);
        }
    }
    if ALIVE.insert(&k.tgid, &k.start, BPF_ANY as u64).is_err() {
        // SAFETY: as above.
        lose(|r| unsafe { &raw mut (*r).lost_nodes });
    }
}

/// A process has ended; `status` as [`task::status`] has it, 0: not known.
#[inline(always)]
pub fn ended(k: &TaskKey, status: u32) {
    // SAFETY: plain data.
    if unsafe { ALIVE.get(&k.tgid) }.is_none_or(|start| *start != k.start) || ALIVE.remove(&k.tgid).is_err() {
        return;
    }
    let Some(n) = of(k) else { return };
    // SAFETY: n points to a whole Node, which its process holds until here.
    unsafe {
        (*n).status = status;
        (*n).ended = task::boottime();
    }
    recorder_let_go(k.tgid, k.start);
}

/// One that holds this node is gone; with the last one it goes, too, and so on upwards. A global function: the verifier goes through it
/// once (5.6+, `kernel/bpf/verifier.c:do_check_subprogs`).
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn recorder_let_go(tgid: u32, start: u64) -> i32 {
    let mut k = TaskKey { tgid, pad: 0, start };
    let (mut i, mut its) = (0, 0);
    // A node that others hold is no deeper than that.
    while i < HOLDERS + 2 {
        let Some(n) = of(&k) else { return 0 };
        // Of two that are the last at once both may see 0, and one deletes it: what it says of itself does not change.
        // SAFETY: n points to a whole Node.
        let (up, count) = unsafe {
            let (up, count) = ((*n).holder, (*n).execs);
            held(n, its, -1);
            if core::ptr::read_volatile(&raw const (*n).refs) != 0 {
                return 0;
            }
            its = (*n).flags;
            let _ = PAST.insert(&k, &*n, BPF_ANY as u64);
            (up, count)
        };
        if NODES.remove(&k).is_err() {
            return 0;
        }
        execs::past(&k, count);
        if up.tgid == 0 {
            return 0;
        }
        k = up;
        i += 1;
    }
    0
}
