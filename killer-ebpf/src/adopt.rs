//! Adopt mode: the edges that a running tree would lose while it is being taken in (docs/internals/PROTOCOL.md 7).
//!
//! At each fork the edge child → creator is logged; at each thread's end its children, before they are
//! reparented, and the process's own edge to its parent. First writer wins. The children list is walked
//! without its lock; anomalies are counted and make the adoption doubtful.
//!
//! These are programs of their own, attached only while an adoption runs, so that no fork and no exit pays for them otherwise. The
//! children are read by one of their own: it reads kernel memory by address, which lockdown=confidentiality refuses (F27), and its refusal costs an adoption its certainty
//! and nothing else.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use killer_common::record::*;

use crate::fork::{self, CLONE_THREAD};
use crate::knobs::*;
use crate::maps::*;
use crate::member::add64;
use crate::task;

/// Children of one thread that are looked at; more are counted as an anomaly.
const MAX_CHILDREN: u32 = 128;

/// True while some adoption is under way; a lease, like the gates.
#[inline(always)]
fn mode() -> bool {
    match GLOBAL.get_ptr(0) {
        // SAFETY: g points to a whole Global.
        Some(g) => unsafe {
            let until = core::ptr::read_volatile(&raw const (*g).adopt_until);
            until != 0 && until > task::monotonic()
        },
        None => false,
    }
}

#[inline(always)]
fn anomaly() {
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global.
        add64(unsafe { &raw mut (*g).edge_errors }, 1);
    }
}

#[inline(always)]
fn log(child: TaskKey, creator: TaskKey) {
    let e = Edge { creator, signal: 0, ended: 0 };
    match EDGES.insert(&child, &e, BPF_NOEXIST as u64) {
        Ok(()) | Err(crate::member::EEXIST) => {}
        Err(_) => anomaly(),
    }
}

/// Logs child → creator, the current task, and then looks whether the creator is a member: the walk takes in either the creator
/// before that look, or the child by its edge.
///
/// match-proto: `trace_task_newtask(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/task_newtask")]
extern "C" fn on_edge(ctx: *const u64) -> i32 {
    if !mode() {
        return 0;
    }
    let thread = task::arg_key(ctx, 1) & CLONE_THREAD != 0;
    if !thread {
        let child = task::key(task::arg(ctx, 0));
        log(child, TaskKey { tgid: task::current_tgid(), pad: 0, start: task::current_start() });
    }
    fork::look_after_edge(ctx, thread);
    0
}

#[inline(always)]
fn read<T>(addr: u64) -> Option<T> {
    // SAFETY: a fault is an error, not a crash.
    unsafe { bpf_probe_read_kernel(addr as *const T) }.ok()
}

/// Logs the edge to its parent of a process whose last thread ends.
///
/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_ended(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 0);
    if mode() && task::live(t) == 0 {
        log(task::key(t), task::key(task::real_parent(t)));
    }
    0
}

/// Logs the children of a thread that ends.
///
/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_children(ctx: *const u64) -> i32 {
    if mode() {
        children(task::key(task::arg(ctx, 0)), task::arg_key(ctx, 0) + off_children() as u64);
    }
    0
}

#[inline(always)]
fn children(me: TaskKey, head: u64) {
    let Some(mut at) = read::<u64>(head) else { return anomaly() };
    let mut i = 0;
    while i < MAX_CHILDREN {
        if at == head {
            return;
        }
        let child = at - off_sibling() as u64;
        let (Some(tgid), Some(leader)) =
            (read::<u32>(child + off_tgid() as u64), read::<u64>(child + off_leader() as u64))
        else {
            return anomaly();
        };
        let Some(start) = read::<u64>(leader + off_start() as u64) else { return anomaly() };
        log(TaskKey { tgid, pad: 0, start }, me);
        let Some(next) = read::<u64>(at) else { return anomaly() };
        at = next;
        i += 1;
    }
    anomaly();
}
