//! The walk over all tasks (`iter/task`): repairs what hooks missed, and fills a root that is being adopted.
//!
//! Repair re-indexes members without an index entry, registers threads of groups that are members, claims entries
//! of tasks whose exit hook was skipped, and stamps what it meets. It never takes a process in by its real parent:
//! an outsider that was reparented to a member (a subreaper, a namespace's init) is no descendant. Only an
//! adoption does that, for the one root that was asked for, and its members stay marked.

use aya_ebpf::bindings::BPF_EXIST;
use killer_common::reason;
use killer_common::record::*;

use crate::fork;
use crate::knobs;
use crate::maps::*;
use crate::member::{self, Newborn, add32, add64};
use crate::moves;
use crate::process;
use crate::task::{self, PF_EXITING, PF_KTHREAD, Task};

/// Hops along logged edges.
pub const MAX_HOPS: u32 = 16;

/// match-proto: `struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; }`
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn on_walk(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 1);
    if t == 0 {
        return 0;
    }
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return 0 };
    // SAFETY: g points to a whole Global.
    let g = unsafe { &mut *g };
    add64(&raw mut g.seen, 1);
    let flags = task::flags(t);
    if flags & PF_KTHREAD != 0 {
        return 0;
    }
    let addr = task::arg_key(ctx, 1);
    let tgid = task::tgid(t);
    let start = task::leader_start(t);
    let newborn = task::newborn(t);
    if !newborn {
        stamp(g.walks, addr, &TaskKey { tgid, pad: 0, start }, task::live(t) != 0);
    }
    // One for all that is put in here: a program's stack is small.
    let mut n = Newborn { addr, member: Member::BLANK, counted: false };
    if let Some(p) = BIRTHS.get_ptr_mut(&addr) {
        // SAFETY: p points to a whole Member.
        let b = unsafe { (*p).birth() };
        if newborn {
            // Its birth hooks are running: they may replace what is at its address in any moment, so only they judge it.
            if b.leader_start == start {
                member::renew(p);
                if moves::chosen(g, t, &b) {
                    // It is moved by a later pass.
                    add64(&raw mut g.added, 1);
                }
            }
            return 0;
        }
        if b.leader_start != 0 && b.leader_start != start {
            if process::ends(addr, &b) {
                member::note(b.root, reason::STALE);
            }
        } else if task::exit_state(t) != 0 {
            // Its exit hook is over (`exit_notify` comes after the tracepoint), so it was skipped.
            if ends(t, addr, &b) {
                add32(&raw mut g.walk_claims, 1);
                if knobs::witness() == 0 {
                    member::note(b.root, reason::STALE);
                }
            }
            return 0;
        } else if (b.leader_start == 0 || process::of(tgid).is_none()) && task::live(t) != 0 {
            let (known, filled) = (b.tgid != 0, b.leader_start != 0);
            let b = Birth { tgid, leader_start: start, walk: g.walks, ..b };
            if !filled {
                // The witness registered it, every fork hook was skipped. Replaced, not filled in: the element may be another
                // entry's by now, while a replacement fails when this one was claimed meanwhile.
                n.member = Member::of(&b);
                if !known {
                    member::filter_add(tgid, 1);
                }
                if BIRTHS.insert(&addr, &n.member, BPF_EXIST as u64).is_err() {
                    if !known {
                        member::filter_add(tgid, -1);
                    }
                    return 0;
                }
            }
            if process::of(tgid).is_none() {
                found(&mut n, &b, t, TaskKey::default());
                if b.flags & B_MAIN != 0 {
                    fork::main(b.root, b.generation, tgid, start);
                }
            }
            add64(&raw mut g.walk_indexed, 1);
        } else if moves::chosen(g, t, &b) {
            moves::over(g, &mut n, t, &b);
        }
        return 0;
    }
    if task::live(t) == 0 || flags & PF_EXITING != 0 {
        return 0;
    }
    let me = TaskKey { tgid, pad: 0, start };
    let mut b = Birth { root: 0, generation: 0, flags: 0, tgid, leader_start: start, walk: 0 };
    let thread = task::pid(t) != tgid;
    let group = if newborn { None } else { member_key(&me) };
    if let Some((root, generation, f)) = group {
        // A thread of a member group.
        b.root = root;
        b.generation = generation;
        b.flags = f & B_ADOPTED;
    } else if g.adopt_slot != 0 && chosen(g, t, &me) {
        if newborn {
            // Its edge may not be logged yet, so its creator may be another: it is left to the next pass.
            add64(&raw mut g.added, 1);
            return 0;
        }
        b.root = g.adopt_slot;
        b.generation = g.adopt_generation;
        b.flags = B_ADOPTED;
    } else {
        return 0;
    }
    if thread {
        b.flags |= B_THREAD;
    }
    let adopting = b.root == g.adopt_slot;
    n.member = Member::of(&b);
    if !member::register(&mut n) {
        return 0;
    }
    add64(&raw mut g.added, 1);
    if !adopting {
        member::note(b.root, reason::REPAIRED_WALK);
    } else if let Some(r) = member::root(b.root) {
        // With its first member the root is there, whatever becomes of the adopter.
        // SAFETY: r points to a whole RootRecord.
        unsafe { (*r).state = R_LIVE };
    }
    if process::of(tgid).is_none() {
        found(&mut n, &b, t, parent_key(t));
    } else if !thread {
        process::is_here(addr);
    }
    // It may have passed its exit hook between the look and the insert: then the walk claims it itself, whether or not its
    // process goes on. Of a last thread that is not that far the index entry may stay: it decides nothing.
    if task::flags(t) & PF_EXITING != 0 {
        ends(t, addr, &b);
    }
    0
}

/// Leaves this walk's number at what it meets; what two walks have not met has ended ([`crate::reap`]).
#[inline(always)]
fn stamp(walk: u64, addr: u64, me: &TaskKey, lives: bool) {
    // SAFETY: p points to a whole record each time; one word is stored.
    unsafe {
        if let Some(p) = BIRTHS.get_ptr_mut(&addr) {
            core::ptr::write_volatile(&raw mut (*p).walk, walk);
        }
        if let Some(p) = SEEDS.get_ptr_mut(&addr) {
            core::ptr::write_volatile(&raw mut (*p).walk, walk);
        }
        if lives {
            if let Some(p) = BIRTHS.get_ptr_mut(&process_key(me.tgid)) {
                if (*p).leader_start == me.start {
                    core::ptr::write_volatile(&raw mut (*p).walk, walk);
                }
            }
        }
    }
}

/// A task has ended whose exit hook did not find it. True for the one caller whose delete it was.
#[inline(always)]
pub fn ends(t: Task, addr: u64, b: &Birth) -> bool {
    if task::live(t) == 0 {
        return process::ends(addr, b);
    }
    let Some(p) = BIRTHS.get_ptr_mut(&addr) else { return false };
    // SAFETY: p points to a whole Member.
    unsafe { process::goes_on(p, b) };
    let won = member::remove(addr, b);
    alone(t, b);
    won
}

/// To be called after a leader's record was put apart: the last thread may have looked for it before.
#[inline(always)]
pub fn alone(t: Task, b: &Birth) {
    if b.flags & B_THREAD == 0 && task::live(t) == 0 {
        process::ended_apart(b.tgid, b.leader_start, b.flags);
    }
}

/// The record of a process, none of whose tasks was met before: where its leader's element is, or apart when this is another thread.
#[inline(always)]
fn found(n: &mut Newborn, b: &Birth, t: Task, creator: TaskKey) {
    n.member = process::record(b, creator, task::facts(t));
    if b.flags & B_THREAD != 0 {
        process::apart(&n.member);
        process::listed(b.tgid, b.root);
    } else if let Some(p) = BIRTHS.get_ptr_mut(&n.addr) {
        // SAFETY: p points to a whole Member.
        unsafe { process::copy(&n.member, p) };
        process::index(&n.member, n.addr);
    }
}

#[inline(always)]
fn parent_key(t: Task) -> TaskKey {
    task::key(task::real_parent(t))
}

/// The root of a living member process.
#[inline(always)]
pub fn member_key(k: &TaskKey) -> Option<(u32, u32, u32)> {
    // SAFETY: plain data.
    let m = unsafe { &*process::of_key(k)? };
    Some((m.root, m.generation, m.flags))
}

/// A living or dead member of the root that is being adopted.
#[inline(always)]
pub fn belongs(g: &Global, k: &TaskKey) -> bool {
    if let Some((root, generation, _)) = member_key(k) {
        return root == g.adopt_slot && generation == g.adopt_generation;
    }
    // SAFETY: plain data.
    let dead = unsafe { DEAD.get(k).or_else(|| ANCESTORS.get(k)) };
    dead.is_some_and(|m| m.root == g.adopt_slot && m.generation == g.adopt_generation)
}

/// ns in a clock tick of /proc: USER_HZ is 100.
const TICK: u64 = 10_000_000;

/// The process that the adoption starts from. /proc, where its start was read, truncates to ticks.
#[inline(always)]
pub fn first(g: &Global, k: &TaskKey) -> bool {
    k.tgid == g.adopt_tgid && k.start / TICK == g.adopt_start
}

/// Whether the adoption takes this process.
#[inline(always)]
fn chosen(g: &Global, t: Task, me: &TaskKey) -> bool {
    if first(g, me) && (g.adopt_inode == 0 || g.adopt_inode == task::inode(t)) {
        return true;
    }
    let mut k = *me;
    // SAFETY: plain data.
    if unsafe { EDGES.get(&k) }.is_none() {
        k = parent_key(t);
        if belongs(g, &k) {
            return true;
        }
    }
    let mut i = 0;
    while i < MAX_HOPS {
        // SAFETY: plain data.
        let Some(e) = (unsafe { EDGES.get(&k) }) else { return false };
        k = e.creator;
        if belongs(g, &k) || first(g, &k) {
            return true;
        }
        i += 1;
    }
    false
}
