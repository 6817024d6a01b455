//! States of members' threads: an iterator over all tasks (`iter/task`, 5.8+) that writes one record for each thread whose process
//! is in the index. It decides nothing and changes nothing; what a record means is user space's to say.
//!
//! An object of its own without relocations, as the sweep's: see `written_in`. It has one map, the index, and calls no kernel
//! functions, so that 5.10 takes it as 7.x does.
#![no_std]
#![no_main]

mod object;
mod written_in;

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_seq_write;
use killer_common::states::Thread;

use written_in::*;

/// The map.
const INDEX: u64 = 0;

/// The context holds two pointers, to `struct bpf_iter_meta`, whose first field is the file that is written to, and to the task, which
/// is none at the end (`kernel/bpf/task_iter.c:__task_seq_show`).
#[unsafe(no_mangle)]
#[unsafe(link_section = "states")]
extern "C" fn on_states(ctx: *const usize) -> i32 {
    // SAFETY: the context holds two pointers; the verifier knows them for what they are.
    let (meta, t) = unsafe { (core::ptr::read_volatile(ctx), core::ptr::read_volatile(ctx.add(1))) };
    if t == 0 {
        return 0;
    }
    let tgid = tgid(t);
    if indexed(INDEX, tgid) == 0 {
        return 0;
    }
    // Before the state: a thread that sleeps after that, with the signal waiting, has not passed by it.
    let own = pending(t);
    let (group, threads) = of_group(t);
    let it = Thread {
        start: leader_start(t),
        own,
        group,
        tgid,
        tid: tid(t),
        state: state(t),
        exit_state: exit_state(t),
        flags: flags(t),
        threads,
    };
    let mut at = MaybeUninit::uninit();
    // SAFETY: a place of our own; the helper reads so many bytes of it. When they do not fit, the kernel drops what there is of
    // them and visits this task again with the next read (`kernel/bpf/bpf_iter.c:bpf_seq_read`).
    unsafe {
        core::ptr::write_volatile(at.as_mut_ptr(), it);
        let file = core::ptr::read_volatile(meta as *const usize);
        bpf_seq_write(file as *mut _, at.as_ptr().cast(), size_of::<Thread>() as u32);
    }
    0
}
