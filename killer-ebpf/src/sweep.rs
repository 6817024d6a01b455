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

use core::mem::{MaybeUninit, transmute};

use killer_common::patch::{FIELD, KFUNC, MAP};
use killer_common::record::Birth;
use killer_common::sweep::{Aim, MOST, Run};

/// A BTF pointer to a `task_struct`, as an integer that the verifier still knows as a pointer.
type Task = usize;

/// `PIDTYPE_TGID`, `include/linux/pid_types.h`
const PIDTYPE_TGID: u32 = 1;
/// `PF_EXITING`, `include/linux/sched.h`
const PF_EXITING: u32 = 4;
/// `BPF_TASK_ITER_PROC_THREADS`, `kernel/bpf/task_iter.c`
const PROC_THREADS: u32 = 2;
/// What is answered of a process that is spared.
const EPERM: i32 = 1;
/// Ancestors that are looked at.
const HOPS: i32 = 64;

/// Function `n` of [`killer_common::patch::KFUNCS`].
macro_rules! kfunc {
    ($name:ident, $n:literal, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {
        #[inline(always)]
        fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the number is a call target that the loader replaces before the program is loaded.
            let f: extern "C" fn($($ty),*) $(-> $ret)? = unsafe { transmute((KFUNC + $n) as usize) };
            f($($arg),*)
        }
    };
}

kfunc!(send_signal_task, 0, (task: Task, signal: u32, to: u32, value: u64) -> i32);
kfunc!(task_from_pid, 1, (pid: i32) -> Task);
kfunc!(task_acquire, 2, (task: Task) -> Task);
kfunc!(task_release, 3, (task: Task));
kfunc!(rcu_read_lock, 4, ());
kfunc!(rcu_read_unlock, 5, ());
kfunc!(iter_task_new, 6, (it: *mut [u64; 3], task: Task, flags: u32) -> i32);
kfunc!(iter_task_next, 7, (it: *mut [u64; 3]) -> Task);
kfunc!(iter_task_destroy, 8, (it: *mut [u64; 3]));
kfunc!(iter_num_new, 9, (it: *mut [u64; 1], from: i32, to: i32) -> i32);
kfunc!(iter_num_next, 10, (it: *mut [u64; 1]) -> *const i32);
kfunc!(iter_num_destroy, 11, (it: *mut [u64; 1]));

/// Field `n` of [`killer_common::patch::TASK_FIELDS`].
#[inline(always)]
fn field<T>(t: Task, n: usize) -> T {
    // SAFETY: t is a BTF pointer; the loader writes the offset, and the verifier checks the access at load time.
    unsafe { core::ptr::read_volatile((t + FIELD as usize + n) as *const T) }
}

fn tgid(t: Task) -> u32 {
    field(t, 0)
}

fn is_exiting(t: Task) -> bool {
    field::<u32>(t, 1) & PF_EXITING != 0
}

fn leader_start(t: Task) -> u64 {
    field(field(t, 2), 3)
}

fn parent(t: Task) -> Task {
    field(t, 4)
}

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
    // SAFETY: no arguments; the helper cannot fail.
    let mut t = unsafe { aya_ebpf::helpers::generated::bpf_get_current_task_btf() } as Task;
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
    if !is_exiting(t) && is(t, aim) {
        let r = send_signal_task(t, signal, PIDTYPE_TGID, 0);
        task_release(t);
        return r;
    }
    // The leader is dead, or on its way: a thread that is not answers for the process.
    let mut it = MaybeUninit::<[u64; 3]>::uninit();
    let mut held = 0;
    rcu_read_lock();
    iter_task_new(it.as_mut_ptr(), t, PROC_THREADS);
    loop {
        let thread = iter_task_next(it.as_mut_ptr());
        if thread == 0 {
            break;
        }
        if !is_exiting(thread) && is(thread, aim) {
            held = task_acquire(thread);
            break;
        }
    }
    iter_task_destroy(it.as_mut_ptr());
    rcu_read_unlock();
    task_release(t);
    if held == 0 {
        return 1;
    }
    let r = send_signal_task(held, signal, PIDTYPE_TGID, 0);
    task_release(held);
    r
}

/// Whether a task that is held is of the member that is meant: by what it is, and by what the hooks have registered for it.
#[inline(always)]
fn is(t: Task, aim: &Aim) -> bool {
    if tgid(t) != aim.tgid || leader_start(t) != aim.start {
        return false;
    }
    let key = t as u64;
    // SAFETY: the loader writes the map; the value is a whole Birth.
    unsafe {
        let b = aya_ebpf::helpers::generated::bpf_map_lookup_elem(MAP as *mut _, (&raw const key).cast());
        let b = b as *const Birth;
        !b.is_null() && (*b).root == aim.root && (*b).generation == aim.generation
    }
}
