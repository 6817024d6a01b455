//! What a newborn owes to a broadcast that is under way (killer-common `claim`, docs/internals/PROTOCOL.md 8).
//!
//! Pending signals are not inherited (`kernel/fork.c:copy_process`, `init_sigpending`), handlers and masks are. So a
//! child of a creator that has the signal still pending, or is just being sent it, is *behind*: it is sent the
//! signal here, before its first instruction. A child of a creator that has received it was forked afterwards,
//! perhaps by the handler, and inherits "sent". A child of a creator that has not been claimed is the sweeper's.

use killer_common::{MAX_DEPTH, claim, gate};

use crate::gate as gates;
use crate::kfunc;
use crate::maps::{self, CLAIMS, CONTROL, INDEX, ROOTS};
use crate::member;
use crate::task::{self, Task};

const SIGHUP: u32 = 1;
const SIGCONT: u32 = 18;
/// `include/linux/sched/signal.h`: the kernel's own signals.
const SEND_SIG_PRIV: u64 = 1;

#[inline(always)]
fn word(tgid: u32) -> Option<*mut u64> {
    maps::entry(&CLAIMS, tgid)
}

/// A broadcast that is under way.
struct Now {
    epoch: u64,
    signal: u32,
    value: u64,
    policy: u32,
    stamps: u64,
    last_epoch: u64,
    last_value: u64,
}

/// The broadcast that holds for a member of `slot`: its own root's or an outer one's, the newest, because an inner one that
/// is over holds on for some time. Epochs are times.
#[inline(always)]
fn holds(slot: u32) -> Option<Now> {
    let mut s = slot;
    let (mut newest, mut at) = (0, 0);
    let mut i = 0;
    while i <= MAX_DEPTH {
        let Some(c) = CONTROL.get_ptr(s) else { break };
        // SAFETY: c points to a whole Control, written by user space word by word, the epoch last.
        let (epoch, until) = unsafe {
            (core::ptr::read_volatile(&raw const (*c).epoch), core::ptr::read_volatile(&raw const (*c).until))
        };
        if epoch > newest && until > task::monotonic() {
            (newest, at) = (epoch, s);
        }
        let Some(r) = ROOTS.get_ptr(s) else { break };
        // SAFETY: r points to a whole RootRecord.
        s = unsafe { core::ptr::read_volatile(&raw const (*r).parent) };
        if s == 0 {
            break;
        }
        i += 1;
    }
    if newest == 0 {
        return None;
    }
    let c = CONTROL.get_ptr(at)?;
    // SAFETY: as above.
    unsafe {
        Some(Now {
            epoch: core::ptr::read_volatile(&raw const (*c).epoch),
            signal: core::ptr::read_volatile(&raw const (*c).signal),
            value: core::ptr::read_volatile(&raw const (*c).value),
            policy: core::ptr::read_volatile(&raw const (*c).policy),
            stamps: core::ptr::read_volatile(&raw const (*c).stamps),
            last_epoch: core::ptr::read_volatile(&raw const (*c).last_epoch),
            last_value: core::ptr::read_volatile(&raw const (*c).last_value),
        })
    }
}

/// Whether the current process, a member, has received the signal of the broadcast `now`.
#[inline(always)]
fn received(now: &Now, tgid: u32) -> bool {
    let Some(w) = word(tgid) else { return true };
    // SAFETY: w points into the element; whole words are stored.
    match claim::state(unsafe { core::ptr::read_volatile(w) }, now.epoch) {
        claim::SENT => task::current_pending() & bit(now.signal) == 0,
        claim::UNKNOWN => true,
        _ => false,
    }
}

#[inline(always)]
fn bit(signal: u32) -> u64 {
    1u64 << ((signal - 1) & 63)
}

/// The stamp of a system call's entry, while a broadcast asks for it.
#[inline(always)]
pub fn stamp(slot: u32, tgid: u32) -> Option<u32> {
    let now = holds(slot)?;
    if now.stamps != now.epoch {
        return None;
    }
    Some(claim::stamp(now.epoch, received(&now, tgid)))
}

/// The stamp of a fork's start, from the birth witness; 0 without a broadcast.
#[inline(always)]
pub fn stamp_at_birth(slot: u32, tgid: u32) -> u32 {
    match holds(slot) {
        Some(now) => claim::stamp(now.epoch, received(&now, tgid)),
        None => 0,
    }
}

/// To be called before a newborn process is indexed: a sweeper that finds it in the list now would take the word of its
/// number's former owner, or none, for its own, and send what the hook is about to send.
#[inline(always)]
pub fn undecided(tgid: u32) {
    if let Some(its) = word(tgid) {
        // SAFETY: its points into the element; nobody else knows the newborn's word yet.
        unsafe { core::ptr::write_volatile(its, claim::UNDECIDED_WORD) };
    }
}

/// Decides for the child at argument `n`, a new process of root `slot`. To be called after it was indexed: the sweeper
/// claims a creator before it lists, so each process that is left to it is in its next list.
///
/// `stamp` says whether the creator had received the signal when the fork began: another of its threads may have taken it
/// since. It is the child's own (`witnessed`), or its creator's last system call's while the broadcast stamps them.
#[inline(always)]
pub fn newborn(ctx: *const u64, n: usize, slot: u32, stamp: u32, witnessed: bool) {
    let Some(its) = word(task::tgid(task::arg(ctx, n))) else { return };
    let decided = match holds(slot) {
        Some(now) => decide(ctx, n, &now, stamp, witnessed),
        None => 0,
    };
    // SAFETY: its points into the element; nobody else writes the newborn's word yet.
    unsafe { core::ptr::write_volatile(its, decided) };
}

/// The newborn's word.
#[inline(always)]
fn decide(ctx: *const u64, n: usize, now: &Now, stamp: u32, witnessed: bool) -> u64 {
    let Some(mine) = word(task::current_tgid()) else { return 0 };
    // SAFETY: mine points into the element; whole words are stored.
    let mine = unsafe { core::ptr::read_volatile(mine) };
    let child: Task = task::arg(ctx, n);
    let creator = claim::state(mine, now.epoch);
    let mut state = if creator == claim::UNDECIDED { claim::NONE } else { creator };
    // Without a stamp the fork began before the broadcast did.
    let before = if witnessed || now.stamps == now.epoch {
        Some(claim::stamped(stamp, now.epoch) == Some(true))
    } else {
        None
    };
    if now.policy == claim::NEWBORNS_IGNORE {
        state = claim::SENT;
    } else if creator == claim::SENT && before.is_some() {
        if before == Some(false) {
            state = send(child, now.signal, now.value);
        }
    } else if creator == claim::UNKNOWN {
        state = claim::SENT;
    } else if creator == claim::CLAIMED {
        // Not queued yet, else the hook below had settled it.
        state = send(child, now.signal, now.value);
    } else if mine & 3 == claim::SENT {
        let signal = claim::signal_of(mine);
        if task::current_pending() & bit(signal) != 0 {
            // Behind, in this broadcast or in one whose signal the creator has not taken yet.
            if creator == claim::SENT {
                state = send(child, signal, now.value);
            } else if claim::epoch_of(mine) == now.last_epoch {
                send(child, signal, now.last_value);
            }
        }
    }
    claim::word(now.epoch, now.signal, state)
}

#[inline(always)]
fn send(child: Task, signal: u32, value: u64) -> u64 {
    // The sweeper's, which finds it in its next list.
    if value & claim::LATER != 0 {
        return claim::NONE;
    }
    if kfunc::send_signal_group(child, signal, value) == 0 { claim::SENT } else { claim::NONE }
}

/// A member of a frozen root is woken by SIGCONT, from a process that may send it or from the kernel, which wakes an orphaned
/// process group that holds stopped members (`kernel/exit.c:kill_orphaned_pgrp`): it is stopped again, and counted.
#[inline(always)]
fn woken(ctx: *const u64, tgid: u32, signal: u32) {
    let Some(x) = maps::entry(&INDEX, tgid) else { return };
    // SAFETY: x points to a slot.
    let slot = unsafe { core::ptr::read_volatile(x) } as u32;
    if slot == 0 || gates::holds(slot) != gate::FREEZE {
        return;
    }
    let Some(r) = member::root(slot) else { return };
    // SAFETY: r points to a whole RootRecord.
    unsafe {
        if signal == SIGCONT {
            (*r).wakes += 1;
            kfunc::send_signal_group(task::arg(ctx, 2), gates::SIGSTOP, 0);
        } else if task::arg_key(ctx, 1) == SEND_SIG_PRIV {
            (*r).hangups += 1;
        }
    }
}

/// Settles a claim in the moment of queueing: `kernel/signal.c:__send_signal_locked` calls this under the receiver's
/// siglock, after the signal was made pending or found ignored, so the receiver cannot have taken it before.
///
/// match-proto: `trace_signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int
/// result)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/signal_generate")]
extern "C" fn on_signal(ctx: *const u64) -> i32 {
    let tgid = task::tgid(task::arg(ctx, 2));
    if !crate::maps::maybe_ours(tgid) {
        return 0;
    }
    let signal = task::arg_key(ctx, 0) as u32;
    if signal == SIGCONT || signal == SIGHUP {
        woken(ctx, tgid, signal);
    }
    let Some(w) = word(tgid) else { return 0 };
    // SAFETY: w points into the element; whole words are stored. The sweeper's exchange of the same word expects
    // CLAIMED and fails when this came first.
    unsafe {
        let old = core::ptr::read_volatile(w);
        if old & 3 == claim::CLAIMED && claim::signal_of(old) == signal {
            core::ptr::write_volatile(w, old & !3 | claim::SENT);
        }
    }
    0
}
