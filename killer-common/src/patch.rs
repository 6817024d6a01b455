//! Places in the second object's code that its loader writes: global data, newer clocks and the like are not to be had on
//! every kernel that it is for, and an instruction with a number in it is.

/// Immediates from here on stand for constants: `KNOB + n` in a `mov` is replaced by the value of constant `n`.
pub const KNOB: u32 = 0x4b4b_0000;
/// Constant: the tier, 1 raw, 2 legacy.
pub const TIER: u32 = 0;
/// Constant: offset of `tgid` in `task_struct`.
pub const OFF_TGID: u32 = 1;
/// Constant: entries of `ancestors` that one root may have.
pub const ANCESTORS_MOST: u32 = 2;
/// Constant: by how much the key of a task is shifted left and right again: 0 for an address, 32 for a thread id.
pub const KEY_SHIFT: u32 = 3;
/// Constant: 1 where the kernel can skip a program.
pub const CAN_SKIP: u32 = 4;
/// How many there are.
pub const KNOBS: usize = 5;

/// The immediate of a 64 bit load that is replaced by what is added to the clock, ns: how far `CLOCK_BOOTTIME` was ahead of
/// `CLOCK_MONOTONIC` when the programs were loaded, where only the latter can be read.
pub const AHEAD: u32 = 0x4b4d_0000;

/// Offsets from here on stand for fields of a record: `FIELD + n` in a load is replaced by where field `n` lies. No kernel
/// takes one that was left in: a context is smaller.
pub const FIELD: i16 = 0x7e00;
/// Field: `pid` of `task_newtask`.
pub const NEWTASK_PID: i16 = 0;
/// Field: `clone_flags` of `task_newtask`.
pub const NEWTASK_FLAGS: i16 = 1;
/// Field: `old_pid` of `sched_process_exec`.
pub const EXEC_OLD_PID: i16 = 2;
/// How many fields there are.
pub const FIELDS: usize = 3;

/// Helper numbers from here on stand for helpers without arguments that differ between kernels and tiers.
pub const CALL: u32 = 0x4b4c_0000;
/// Call: the clock that starts and records are told in: `bpf_ktime_get_boot_ns` (5.8+), else `bpf_ktime_get_ns`.
pub const CLOCK: u32 = 0;
/// Call: what a task is known by: `bpf_get_current_task` (4.8+), or `bpf_get_current_pid_tgid`.
pub const CURRENT: u32 = 1;
/// How many calls there are.
pub const CALLS: usize = 2;

/// A request beside those of [`crate::ctl`], for [`crate::record::Request`] only: the four bytes at an offset of the caller's
/// own task.
pub const PEEK: u64 = 0x7065_656b;

/// Kernel functions are called by the numbers from here on, in each object: `KFUNC + n` stands for function `n` of [`KFUNCS`].
pub const KFUNC: u32 = 0x4b46_0000;
/// These functions. The first one is all that the hooks call (6.13+); the objects without relocations need all of them.
pub const KFUNCS: [&str; 12] = [
    "bpf_send_signal_task",
    "bpf_task_from_pid",
    "bpf_task_acquire",
    "bpf_task_release",
    "bpf_rcu_read_lock",
    "bpf_rcu_read_unlock",
    "bpf_iter_task_new",
    "bpf_iter_task_next",
    "bpf_iter_task_destroy",
    "bpf_iter_num_new",
    "bpf_iter_num_next",
    "bpf_iter_num_destroy",
];

/// The immediate of a 64 bit load that stands for map 0 of an object without relocations, `MAP + n` for its map `n`. The sweep
/// has [`crate::names::BIRTHS`] only, the states [`crate::names::INDEX`]; the other one's are [`crate::promise::MAPS`].
pub const MAP: u64 = 0x4b4e_0000_4b4e_0000;
/// What the fields [`FIELD`] of a task are called in such an object: the knobs that hold where they lie.
pub const TASK_FIELDS: [&str; 14] = [
    "OFF_TASK_TGID",
    "OFF_TASK_FLAGS",
    "OFF_TASK_LEADER",
    "OFF_TASK_START",
    "OFF_TASK_PARENT",
    "OFF_TASK_SIGNAL",
    "OFF_SIGNAL_LIVE",
    "OFF_SIGNAL_FLAGS",
    "OFF_TASK_PID",
    "OFF_TASK_STATE",
    "OFF_TASK_EXIT_STATE",
    "OFF_TASK_PENDING",
    "OFF_SIGNAL_PENDING",
    "OFF_SIGNAL_THREADS",
];
