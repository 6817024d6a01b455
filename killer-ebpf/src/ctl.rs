//! The on-demand program: every change that user space asks for. One run is one step (killer-common `ctl`).

use aya_ebpf::bindings::BPF_NOEXIST;
use killer_common::record::*;
use killer_common::{MAX_DEPTH, MAX_ROOTS, NAME_LEN, ctl, gate, reason};

use crate::maps::*;
use crate::{gate as gates, member, task};

const ENOENT: i32 = -2;
const EBUSY: i32 = -16;
const EINVAL: i32 = -22;
const ENOSPC: i32 = -28;
const ELOOP: i32 = -40;
const ESTALE: i32 = -116;
const EPERM: i32 = -1;

#[inline(always)]
fn a(ctx: *const u64, n: usize) -> u64 {
    task::arg_key(ctx, n)
}

/// Entry by hand: the `#[raw_tracepoint]` macro throws the return value away.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_ctl(ctx: *const u64) -> i32 {
    match a(ctx, 0) {
        ctl::CREATE => create(ctx),
        ctl::SEED => seed(ctx, (a(ctx, 3) as u32) & (B_MAIN | B_CONTROL)),
        ctl::HOLD => seed(ctx, B_HOLD),
        ctl::UNSEED => unseed(task::current_addr(), 0),
        ctl::CANCEL_SEED => unseed(a(ctx, 3), a(ctx, 1) as u32),
        ctl::LEAVE => leave(),
        ctl::WHOSE => whose(),
        ctl::ADOPT_MODE => adopt_mode(ctx),
        _ => on_root(ctx),
    }
}

#[inline(always)]
fn root_of(ctx: *const u64) -> Result<*mut Root, i32> {
    let Some(r) = member::root(a(ctx, 1) as u32) else { return Err(EINVAL) };
    // SAFETY: r points to a whole Root.
    unsafe {
        if (*r).state == R_FREE {
            return Err(ENOENT);
        }
        let want = a(ctx, 2) as u32;
        if want != 0 && (*r).generation != want {
            return Err(ESTALE);
        }
    }
    Ok(r)
}

#[inline(always)]
fn set_name(ctx: *const u64, r: *mut Root) {
    let name = unsafe { (&raw mut (*r).name) as *mut u64 };
    let mut i = 0;
    while i < NAME_LEN / 8 {
        // SAFETY: NAME_LEN is a multiple of 8 and name is aligned to 8 in Root.
        unsafe { core::ptr::write_volatile(name.add(i), a(ctx, 4 + i)) };
        i += 1;
    }
}

#[inline(always)]
fn create(ctx: *const u64) -> i32 {
    let slot = a(ctx, 1) as u32;
    let Some(r) = member::root(slot) else { return EINVAL };
    let Some(p) = member::pop(slot) else { return EINVAL };
    let parent = a(ctx, 3) as u32;
    let mut depth = 0;
    let mut parent_generation = 0;
    if parent != 0 {
        if parent == slot {
            return ELOOP;
        }
        let Some(o) = member::root(parent) else { return EINVAL };
        // SAFETY: o points to a whole Root.
        unsafe {
            depth = (*o).depth + 1;
            parent_generation = (*o).generation;
        }
        if depth > MAX_DEPTH {
            return ELOOP;
        }
    }
    // SAFETY: r and p point to whole records.
    unsafe {
        if (*r).generation != a(ctx, 2) as u32 {
            return ESTALE;
        }
        if (*p).pop != 0 {
            return EBUSY;
        }
        (*r).state = R_STARTING;
        (*r).generation += 1;
        (*r).parent = parent;
        (*r).parent_generation = parent_generation;
        (*r).depth = depth;
        (*r).main_tgid = 0;
        (*r).main_start = 0;
        (*r).born = task::boottime();
        (*r).owner_tgid = task::current_tgid();
        (*r).owner_start = task::leader_start(task::current());
        (*r).last_signal = 0;
        (*r).last_at = 0;
        (*r).last_uid = 0;
        (*r).last_outcome = 0;
        (*p).inserts = 0;
        (*p).exits = 0;
        (*p).denied = 0;
        (*p).errors = 0;
        (*p).misses = 0;
        (*p).gate_errors = 0;
        (*p).processes = 0;
        set_name(ctx, r);
        if let Some(w) = REASONS.get_ptr_mut(slot) {
            let mut i = 0;
            while i < reason::COUNT {
                core::ptr::write_volatile((&raw mut (*w).count as *mut u64).add(i), 0);
                core::ptr::write_volatile((&raw mut (*w).first as *mut u64).add(i), 0);
                i += 1;
            }
        }
        if let Some(g) = GLOBAL.get_ptr_mut(0) {
            if (*g).high_slot < slot as u64 {
                (*g).high_slot = slot as u64;
            }
        }
        (*r).generation as i32
    }
}

/// Marks the caller: counts 1 in pop from before the mark is set.
#[inline(always)]
fn seed(ctx: *const u64, flags: u32) -> i32 {
    let r = match root_of(ctx) {
        Ok(r) => r,
        Err(e) => return e,
    };
    let slot = a(ctx, 1) as u32;
    if slot >= MAX_ROOTS {
        return EINVAL;
    }
    let cur = task::current_addr();
    let tgid = task::current_tgid();
    let s = Birth {
        root: slot,
        // SAFETY: r points to a whole Root.
        generation: unsafe { (*r).generation },
        flags,
        tgid,
        leader_start: task::leader_start(task::current()),
        walk: 0,
    };
    member::pop_add(slot, 1);
    member::filter_add(tgid, 1);
    if SEEDS.insert(&cur, &s, BPF_NOEXIST as u64).is_err() {
        member::filter_add(tgid, -1);
        member::pop_add(slot, -1);
        return ENOSPC;
    }
    // Read after the insert, as for births: a kill that closed the gate before cancels it or is seen here.
    if flags & B_HOLD == 0 && gates::holds(slot) != gate::OPEN {
        member::claim_seed(cur, &s);
        return EPERM;
    }
    0
}

#[inline(always)]
fn unseed(addr: u64, only: u32) -> i32 {
    // SAFETY: plain data.
    let Some(s) = (unsafe { SEEDS.get(&addr) }) else { return 0 };
    let s = *s;
    if only != 0 && (s.root != only || s.flags & B_HOLD != 0) {
        return 0;
    }
    member::claim_seed(addr, &s) as i32
}

/// The caller leaves its root, while it has one thread only.
#[inline(always)]
fn leave() -> i32 {
    let cur = task::current_addr();
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&cur) }) else { return 0 };
    let b = *b;
    if task::threads(task::current()) != 1 {
        return EBUSY;
    }
    member::unindex(&b);
    member::claim(cur, &b) as i32
}

#[inline(always)]
fn whose() -> i32 {
    // SAFETY: plain data.
    match unsafe { BIRTHS.get(&task::current_addr()) } {
        Some(b) => b.root as i32,
        None => 0,
    }
}

#[inline(always)]
fn adopt_mode(ctx: *const u64) -> i32 {
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return EINVAL };
    // SAFETY: g points to a whole Global.
    unsafe {
        (*g).adopt_slot = a(ctx, 1) as u32;
        (*g).adopt_generation = a(ctx, 2) as u32;
        (*g).adopt_tgid = a(ctx, 4) as u32;
        (*g).adopt_start = a(ctx, 5);
        (*g).adopt_until = a(ctx, 3);
    }
    0
}

#[inline(always)]
fn on_root(ctx: *const u64) -> i32 {
    let r = match root_of(ctx) {
        Ok(r) => r,
        Err(e) => return e,
    };
    let slot = a(ctx, 1) as u32;
    // SAFETY: r points to a whole Root, p to a whole Pop.
    unsafe {
        match a(ctx, 0) {
            ctl::GO_LIVE => {
                (*r).state = R_LIVE;
                0
            }
            ctl::SET_MAIN => {
                let tgid = a(ctx, 3) as u32;
                if tgid == 0 {
                    (*r).main_tgid = 0;
                    (*r).main_start = 0;
                    return 0;
                }
                let Some(m) = MEMBERS.get(&tgid) else { return ENOENT };
                if m.root != slot {
                    return ENOENT;
                }
                (*r).main_tgid = tgid;
                (*r).main_start = m.leader_start;
                0
            }
            ctl::FORGET => {
                let Some(p) = member::pop(slot) else { return EINVAL };
                if (*p).pop != 0 {
                    return EBUSY;
                }
                (*r).state = R_FREE;
                0
            }
            ctl::RENAME => {
                set_name(ctx, r);
                0
            }
            ctl::REASON => {
                member::note(slot, a(ctx, 3) as u32);
                0
            }
            ctl::NOTE_KILL => {
                (*r).last_signal = a(ctx, 3) as u32;
                (*r).last_uid = a(ctx, 4) as u32;
                (*r).last_outcome = a(ctx, 5) as u32;
                (*r).last_at = task::boottime();
                0
            }
            _ => EINVAL,
        }
    }
}
