//! Kernel functions, fields and maps of an object without relocations: user space writes them into its instructions
//! (killer-common `patch`). Each such object uses a part of this.
#![allow(dead_code)]

use core::mem::{MaybeUninit, transmute};

use aya_ebpf::helpers::generated;
use killer_common::TGIDS;
use killer_common::patch::{FIELD, KFUNC, MAP};

/// A BTF pointer to a `task_struct`, as an integer that the verifier still knows as a pointer.
pub type Task = usize;

/// `PIDTYPE_TGID`, `include/linux/pid_types.h`
const PIDTYPE_TGID: u32 = 1;
/// `PF_EXITING`, `include/linux/sched.h`
const PF_EXITING: u32 = 4;
/// `BPF_TASK_ITER_ALL_PROCS`, `kernel/bpf/task_iter.c`
pub const ALL_PROCS: u32 = 0;
/// `BPF_TASK_ITER_PROC_THREADS`, the same
const PROC_THREADS: u32 = 2;

/// Function `n` of [`killer_common::patch::KFUNCS`].
macro_rules! kfunc {
    ($name:ident, $n:literal, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {
        #[inline(always)]
        pub fn $name($($arg: $ty),*) $(-> $ret)? {
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
pub fn field<T>(t: Task, n: usize) -> T {
    // SAFETY: t is a BTF pointer; the loader writes the offset, and the verifier checks the access at load time.
    unsafe { core::ptr::read_volatile((t + FIELD as usize + n) as *const T) }
}

#[inline(always)]
pub fn tgid(t: Task) -> u32 {
    field(t, 0)
}

#[inline(always)]
pub fn is_exiting(t: Task) -> bool {
    field::<u32>(t, 1) & PF_EXITING != 0
}

/// When this thread started; of a leader, when its process did.
#[inline(always)]
pub fn start(t: Task) -> u64 {
    field(t, 3)
}

#[inline(always)]
pub fn leader_start(t: Task) -> u64 {
    field(field(t, 2), 3)
}

#[inline(always)]
pub fn parent(t: Task) -> Task {
    field(t, 4)
}
/// Threads of the group that have not passed `exit_signals` yet (`kernel/exit.c:do_exit`).
#[inline(always)]
pub fn live(t: Task) -> u32 {
    field(field(t, 5), 6)
}
/// `SIGNAL_*` of the group.
#[inline(always)]
pub fn signal_flags(t: Task) -> u32 {
    field(field(t, 5), 7)
}
#[inline(always)]
pub fn flags(t: Task) -> u32 {
    field(t, 1)
}
#[inline(always)]
pub fn tid(t: Task) -> u32 {
    field(t, 8)
}
#[inline(always)]
pub fn state(t: Task) -> u32 {
    field(t, 9)
}
#[inline(always)]
pub fn exit_state(t: Task) -> u32 {
    field(t, 10)
}
/// Signals that wait for the task alone.
#[inline(always)]
pub fn pending(t: Task) -> u64 {
    field(t, 11)
}
/// Signals that wait for its group, and threads of that which are not released.
#[inline(always)]
pub fn of_group(t: Task) -> (u64, u32) {
    let group: Task = field(t, 5);
    (field(group, 12), field(group, 13))
}
/// The task that runs here.
#[inline(always)]
pub fn current() -> Task {
    // SAFETY: no arguments; the helper cannot fail.
    unsafe { generated::bpf_get_current_task_btf() as Task }
}

/// A key on the stack: one that is constant would lie in a section of its own, by a relocation.
#[inline(always)]
fn laid<K>(key: K) -> MaybeUninit<K> {
    let mut at = MaybeUninit::uninit();
    // SAFETY: a place of our own.
    unsafe { core::ptr::write_volatile(at.as_mut_ptr(), key) };
    at
}
/// The slot in `u16`s, [`TGIDS`] an element, that map `n` has for a process; 0: none.
#[inline(always)]
pub fn indexed(n: u64, number: u32) -> u32 {
    let element: *const u16 = lookup(n, number / TGIDS);
    if element.is_null() {
        return 0;
    }
    // SAFETY: an element has TGIDS of them.
    unsafe { core::ptr::read_volatile(element.add((number % TGIDS) as usize)) as u32 }
}
/// Looks into map `n` of those that the object uses; the caller knows what its keys and values are.
#[inline(always)]
pub fn lookup<K, V>(n: u64, key: K) -> *mut V {
    let key = laid(key);
    // SAFETY: the loader writes the map in; the key is as large as its keys.
    unsafe { generated::bpf_map_lookup_elem((MAP + n) as *mut _, key.as_ptr().cast()).cast() }
}
/// Deletes an element; false: it was not there.
#[inline(always)]
pub fn delete<K>(n: u64, key: K) -> bool {
    let key = laid(key);
    // SAFETY: as in `lookup`.
    unsafe { generated::bpf_map_delete_elem((MAP + n) as *mut _, key.as_ptr().cast()) == 0 }
}

/// Sends a signal to the process of a leader that is held, and lets go of it. 0: sent; positive: none of its threads that live is
/// one that is meant; else a negative errno. A dead leader is answered for by another thread. `sleeps`: the program may sleep, so
/// that it has to say where threads must stay.
#[inline(always)]
pub fn send(leader: Task, signal: u32, sleeps: bool, is: impl Fn(Task) -> bool) -> i32 {
    let mut it = MaybeUninit::<[u64; 3]>::uninit();
    let mut held = 0;
    if sleeps {
        rcu_read_lock();
    }
    // The leader comes first.
    iter_task_new(it.as_mut_ptr(), leader, PROC_THREADS);
    loop {
        let thread = iter_task_next(it.as_mut_ptr());
        if thread == 0 {
            break;
        }
        if !is_exiting(thread) && is(thread) {
            held = task_acquire(thread);
            break;
        }
    }
    iter_task_destroy(it.as_mut_ptr());
    if sleeps {
        rcu_read_unlock();
    }
    task_release(leader);
    if held == 0 {
        return 1;
    }
    let r = send_signal_task(held, signal, PIDTYPE_TGID, 0);
    task_release(held);
    r
}
