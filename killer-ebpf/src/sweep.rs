//! The kernel sweep: signals to members, in the caller's own context, by reference to the task itself (6.13+).
//!
//! An object of its own with one program and no relocations: user space writes the map, the kernel functions and the offsets
//! into its instructions (killer-common `patch`), and loads it as a program of type SYSCALL, which no section of an object stands
//! for. Only such a program may send a signal to another task at once, whatever the kernel is built like.
//!
//! A process cannot be mistaken here. Its number leads to a task, which is held from then on; that task's own number and
//! start, and what the hooks have registered for its address, decide whether it is the member that is meant.
#![no_std]
#![no_main]

mod object;
mod written_in;

use core::mem::MaybeUninit;

use killer_common::record::Birth;
use killer_common::sweep::{Aim, MOST, Run};

use written_in::*;

/// What is answered of a process that is spared.
const EPERM: i32 = 1;
/// Ancestors that are looked at.
const HOPS: i32 = 64;

#[unsafe(no_mangle)]
#[unsafe(link_section = "sweep")]
extern "C" fn on_sweep(run: *mut Run) -> i32 {
    // SAFETY: the context is a whole Run, at constant offsets.
    let (aims, count, signal, near) = unsafe {
        let r = |p: *const u32| core::ptr::read_volatile(p);
        (
            core::ptr::read_volatile(&raw const (*run).aims),
            r(&raw const (*run).count),
            r(&raw const (*run).signal),
            r(&raw const (*run).near),
        )
    };
    let (mut sent, mut refused, mut errno) = (0u64, 0u64, 0i32);
    let mut it = MaybeUninit::<[u64; 1]>::uninit();
    iter_num_new(it.as_mut_ptr(), 0, MOST as i32);
    loop {
        let n = iter_num_next(it.as_mut_ptr());
        if n.is_null() {
            break;
        }
        // SAFETY: points to a number.
        let n = unsafe { core::ptr::read_volatile(n) } as u32;
        if n >= count {
            break;
        }
        let mut aim = MaybeUninit::<Aim>::uninit();
        let from = aims + n as u64 * size_of::<Aim>() as u64;
        // SAFETY: the helper fills a whole Aim or fails.
        let r = unsafe {
            aya_ebpf::helpers::generated::bpf_copy_from_user(
                aim.as_mut_ptr().cast(),
                size_of::<Aim>() as u32,
                from as *const _,
            )
        };
        if r != 0 {
            break;
        }
        // SAFETY: it was filled.
        let aim = unsafe { aim.assume_init() };
        let bit = 1u64 << (n & 63);
        let r = if is_near(aim.tgid, near) { -EPERM } else { one(&aim, signal) };
        if r == 0 {
            sent |= bit;
        } else if r < 0 {
            refused |= bit;
            errno = -r;
        }
    }
    iter_num_destroy(it.as_mut_ptr());
    // SAFETY: as above.
    unsafe {
        core::ptr::write_volatile(&raw mut (*run).errno, errno as u32);
        core::ptr::write_volatile(&raw mut (*run).sent, sent);
        core::ptr::write_volatile(&raw mut (*run).refused, refused);
    }
    0
}

/// Whether a process is the caller or one of its `near` nearest ancestors, the caller counted.
#[inline(always)]
fn is_near(pid: u32, near: u32) -> bool {
    let mut t = current();
    let mut found = false;
    let mut it = MaybeUninit::<[u64; 1]>::uninit();
    iter_num_new(it.as_mut_ptr(), 0, HOPS);
    loop {
        let n = iter_num_next(it.as_mut_ptr());
        if n.is_null() {
            break;
        }
        // SAFETY: points to a number.
        if unsafe { core::ptr::read_volatile(n) } as u32 >= near {
            break;
        }
        let at = tgid(t);
        if at == pid {
            found = true;
            break;
        }
        if at <= 1 {
            break;
        }
        t = parent(t);
    }
    iter_num_destroy(it.as_mut_ptr());
    found
}

/// Sends to one member. 0: sent; positive: it has ended, or is no member; else a negative errno.
#[inline(always)]
fn one(aim: &Aim, signal: u32) -> i32 {
    let t = task_from_pid(aim.tgid as i32);
    if t == 0 {
        return 1;
    }
    // Its number is its process's, so it is the leader, or was when it was looked up (`fs/exec.c:de_thread`): the start of the process
    // is its own. A look at the leader of each thread would cost the verifier half of its time here.
    if tgid(t) != aim.tgid || start(t) != aim.start {
        task_release(t);
        return 1;
    }
    send(t, signal, true, |thread| is(thread, aim))
}

/// Whether a thread of the process that is meant is the member that is meant: by what the hooks have registered for it.
#[inline(always)]
fn is(t: Task, aim: &Aim) -> bool {
    if tgid(t) != aim.tgid {
        return false;
    }
    let b: *const Birth = lookup(0, t as u64);
    // SAFETY: the value is a whole Birth.
    unsafe { !b.is_null() && (*b).root == aim.root && (*b).generation == aim.generation }
}
