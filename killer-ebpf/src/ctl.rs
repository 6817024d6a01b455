//! The on-demand program: every change that user space asks for. One run is one step (killer-common `ctl`).

use aya_ebpf::bindings::BPF_NOEXIST;
use killer_common::record::*;
use killer_common::{CANARY_SLOT, MAX_DEPTH, MAX_ROOTS, NAME_LEN, POOL_FIRST, ctl, gate, reason};

use crate::maps::*;
use crate::member::add64;
use crate::{gate as gates, knobs, lineage, logs, member, process, slot as slots, task};

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
    let r = run(ctx);
    if logs::on() {
        logs::asked(ctx, a(ctx, 0), a(ctx, 1), r);
    }
    r
}

/// One request, whose words are at `ctx`.
#[inline(always)]
pub fn run(ctx: *const u64) -> i32 {
    match a(ctx, 0) {
        ctl::CREATE => create(ctx),
        ctl::SEED => seed(ctx, (a(ctx, 3) as u32) & (B_MAIN | B_CONTROL)),
        ctl::HOLD => seed(ctx, B_HOLD),
        ctl::UNSEED => unseed(task::current_addr(), 0, 0),
        ctl::CANCEL_SEED => unseed(a(ctx, 3), a(ctx, 1) as u32, a(ctx, 2) as u32),
        ctl::LEAVE => leave(),
        ctl::WHOSE => whose(),
        ctl::ADOPT_MODE => adopt_mode(ctx),
        ctl::FEATURES => features(),
        ctl::WALK_BEGIN => walk_begin(),
        ctl::CLAIM_DEAD => claim_dead(ctx),
        ctl::LET_GO => lineage::let_go(&TaskKey { tgid: a(ctx, 3) as u32, pad: 0, start: a(ctx, 4) }),
        ctl::NOTE_MISSES | ctl::LOG => on_global(ctx),
        _ => on_root(ctx),
    }
}

#[inline(always)]
fn root_of(ctx: *const u64) -> Result<*mut RootRecord, i32> {
    let Some(r) = member::root(a(ctx, 1) as u32) else { return Err(EINVAL) };
    // SAFETY: r points to a whole RootRecord.
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
fn set_name(ctx: *const u64, r: *mut RootRecord) {
    // SAFETY: r points to a whole RootRecord; nothing is read.
    let name = unsafe { (&raw mut (*r).name) as *mut u64 };
    let mut i = 0;
    while i < NAME_LEN / 8 {
        // SAFETY: NAME_LEN is a multiple of 8 and name is aligned to 8 in RootRecord.
        unsafe { core::ptr::write_volatile(name.add(i), a(ctx, 4 + i)) };
        i += 1;
    }
}

#[inline(always)]
fn create(ctx: *const u64) -> i32 {
    let slot = a(ctx, 1) as u32;
    // The pool's slots are the kernel's own.
    if slot >= POOL_FIRST && slot != CANARY_SLOT {
        return EINVAL;
    }
    let Some(r) = member::root(slot) else { return EINVAL };
    let Some(p) = member::pop(slot) else { return EINVAL };
    let parent = a(ctx, 3) as u32;
    let root_flags = a(ctx, 3) >> 32;
    let mut depth = 0;
    let mut parent_generation = 0;
    if parent != 0 {
        if parent == slot {
            return ELOOP;
        }
        let Some(o) = member::root(parent) else { return EINVAL };
        // SAFETY: o points to a whole RootRecord.
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
        slots::fresh(slot, r, p);
        (*r).parent = parent;
        (*r).flags = root_flags;
        (*r).parent_generation = parent_generation;
        (*r).depth = depth;
        (*r).owner_tgid = task::current_tgid();
        (*r).owner_start = task::current_start();
        set_name(ctx, r);
        if let Some(g) = GLOBAL.get_ptr_mut(0) {
            if slot != CANARY_SLOT && (*g).high_slot < slot as u64 {
                (*g).high_slot = slot as u64;
            }
        }
        (*r).generation as i32
    }
}

/// Changes whether the root is frozen; answers what it was.
#[inline(always)]
fn freeze(ctx: *const u64, r: *mut RootRecord) -> i32 {
    const STATE: u64 = R_FREEZING | R_FROZEN | R_THAWING | R_UNDONE;
    let to = a(ctx, 3) & STATE;
    // SAFETY: r points to a whole RootRecord.
    unsafe {
        let was = (*r).flags & STATE;
        if was & (R_FREEZING | R_FROZEN) == 0 && to == R_FREEZING {
            (*r).wakes = 0;
            (*r).hangups = 0;
            (*r).skipped = a(ctx, 4) as u32;
            (*r).frozen_at = task::boottime();
        }
        if to & (R_FREEZING | R_THAWING) != 0 {
            (*r).freezer_tgid = task::current_tgid();
            (*r).freezer_start = task::current_start();
        }
        core::ptr::write_volatile(&raw mut (*r).flags, (*r).flags & !STATE | to);
        was as i32
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
        // SAFETY: r points to a whole RootRecord.
        generation: unsafe { (*r).generation },
        flags,
        tgid,
        leader_start: task::current_start(),
        walk: member::walks(),
    };
    member::pop_add(slot, 1);
    member::filter_add(tgid, 1);
    member::marks_add(1);
    if SEEDS.insert(&cur, &s, BPF_NOEXIST as u64).is_err() {
        member::marks_add(-1);
        member::filter_add(tgid, -1);
        member::pop_add(slot, -1);
        return ENOSPC;
    }
    // An instance may have been given back between the look and the count: its slot has another use, or will have.
    // SAFETY: r points to a whole RootRecord.
    if unsafe {
        core::ptr::read_volatile(&raw const (*r).generation) != s.generation
            || core::ptr::read_volatile(&raw const (*r).state) == R_FREE
    } {
        member::remove_seed(cur, &s);
        return ESTALE;
    }
    // Read after the insert, as for births: a kill that closed the gate before cancels it or is seen here.
    if flags & B_HOLD == 0 && slot != CANARY_SLOT && gates::holds_at_birth(slot) != gate::OPEN {
        member::remove_seed(cur, &s);
        return EPERM;
    }
    0
}

#[inline(always)]
fn unseed(addr: u64, only: u32, generation: u32) -> i32 {
    // SAFETY: plain data.
    let Some(s) = (unsafe { SEEDS.get(&addr) }) else { return 0 };
    let s = *s;
    if only != 0 && (s.root != only || s.generation != generation || s.flags & B_HOLD != 0) {
        return 0;
    }
    member::remove_seed(addr, &s) as i32
}

/// The caller leaves its root, while it has one thread only.
#[inline(always)]
fn leave() -> i32 {
    let cur = task::current_addr();
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&cur) }) else { return 0 };
    let b = b.birth();
    if knobs::have_current_btf() == 0 || task::threads(task::current()) != 1 {
        return EBUSY;
    }
    if let Some(g) = GLOBAL.get_ptr_mut(0) {
        // SAFETY: g points to a whole Global, the index is below 4. When two at once take one place the first is not noted.
        unsafe {
            let n = (*g).leaves;
            (*g).leaves = n + 1;
            core::ptr::write_volatile((&raw mut (*g).left as *mut u64).add((n & 3) as usize), cur);
        }
    }
    process::ends(cur, &b) as i32
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
        (*g).adopt_inode = a(ctx, 6);
        (*g).move_from = a(ctx, 7) as u32;
        (*g).move_generation = a(ctx, 8) as u32;
        (*g).move_by = task::current_addr();
        (*g).adopt_until = a(ctx, 3);
    }
    0
}

#[inline(always)]
fn features() -> i32 {
    let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
    let mut f = bit(knobs::have_signal_task() != 0, ctl::HAS_SIGNAL_TASK)
        | bit(knobs::witness() != 0, ctl::HAS_WITNESS)
        | bit(knobs::off_ino() != 0, ctl::HAS_INODES)
        | bit(knobs::can_skip() != 0, ctl::HAS_SKIPS)
        | bit(knobs::have_current_btf() != 0 || knobs::reads_kernel() != 0, ctl::HAS_PENDING);
    match knobs::second() {
        1 => f |= ctl::HAS_RAW,
        2 => f |= ctl::HAS_CLASSIC,
        _ => {}
    }
    f as i32
}

#[inline(always)]
fn claim_dead(ctx: *const u64) -> i32 {
    let addr = a(ctx, 3);
    // SAFETY: plain data.
    let Some(b) = (unsafe { BIRTHS.get(&addr) }) else { return 0 };
    let b = b.birth();
    if b.tgid != a(ctx, 4) as u32 || b.leader_start != a(ctx, 5) {
        return 0;
    }
    if !process::ends(addr, &b) {
        return 0;
    }
    member::note(b.root, reason::STALE);
    1
}

#[inline(always)]
fn walk_begin() -> i32 {
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return EINVAL };
    // SAFETY: g points to a whole Global.
    unsafe {
        add64(&raw mut (*g).walks, 1);
        core::ptr::read_volatile(&raw const (*g).walks) as i32
    }
}

#[inline(always)]
fn on_global(ctx: *const u64) -> i32 {
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return EINVAL };
    // SAFETY: g points to a whole Global.
    unsafe {
        if a(ctx, 0) == ctl::LOG {
            (*g).log_until = a(ctx, 3);
        } else {
            (*g).misses_noted = a(ctx, 3);
        }
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
    // SAFETY: r points to a whole RootRecord, p to a whole Pop.
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
                let Some(m) = process::of(tgid) else { return ENOENT };
                if (*m).root != slot {
                    return ENOENT;
                }
                (*r).main_tgid = tgid;
                (*r).main_start = (*m).leader_start;
                0
            }
            ctl::FORGET => {
                let Some(p) = member::pop(slot) else { return EINVAL };
                // An instance is given back by what takes its count to 0.
                if (*p).pop != 0 || (*r).flags & R_INSTANCE != 0 {
                    return EBUSY;
                }
                (*r).state = R_FREE;
                0
            }
            ctl::RENAME => {
                set_name(ctx, r);
                0
            }
            ctl::FREEZE => freeze(ctx, r),
            ctl::NOTE_STOPPED => {
                let tgid = a(ctx, 3) as u32;
                let Some(m) = process::of(tgid) else { return ENOENT };
                let stopped = if a(ctx, 4) != 0 { B_STOPPED } else { 0 };
                (*m).of_process = (*m).of_process & !B_STOPPED | stopped;
                0
            }
            ctl::REASON => {
                let n = a(ctx, 4);
                member::note_many(slot, a(ctx, 3) as u32, if n == 0 { 1 } else { n });
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
