//! kfuncs from Rust: a call through a magic number becomes a helper call with that id, which the loader
//! rewrites into a kfunc call, or into `r0 = -ENOSYS` where the kernel has none (see killer-user `bpf/kfunc.rs`).

use crate::knobs;
use crate::task::Task;

/// `int bpf_send_signal_task(struct task_struct *, int sig, enum pid_type, u64 value)`, 6.13+.
const MAGIC_SEND_SIGNAL_TASK: usize = 0x4b46_0000;

/// `PIDTYPE_TGID`, `include/linux/pid_types.h`
const PIDTYPE_TGID: u32 = 1;

/// Sends `sig`, with a value for real-time signals, to the task's thread group; a negative errno when it could not.
#[inline(always)]
pub fn send_signal_group(task: Task, sig: u32, value: u64) -> i32 {
    if knobs::have_signal_task() == 0 {
        return -38;
    }
    // SAFETY: the number is a call target that the loader replaces before the program is loaded.
    let f: extern "C" fn(Task, u32, u32, u64) -> i32 =
        unsafe { core::mem::transmute(MAGIC_SEND_SIGNAL_TASK) };
    f(task, sig, PIDTYPE_TGID, value)
}
