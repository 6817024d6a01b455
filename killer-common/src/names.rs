//! Names of maps, programs and pins: the only place where they are spelled.

/// Map: task pointer → [`crate::record::Birth`]; membership itself.
pub const BIRTHS: &str = "BIRTHS";
/// Map: root slot → [`crate::record::Pop`]; the kernel's count.
pub const POP: &str = "POP";
/// Map: root slot → [`crate::record::Root`].
pub const ROOTS: &str = "ROOTS";
/// Map: root slot → [`crate::record::Control`]; written by user space.
pub const CONTROL: &str = "CONTROL";
/// Map: one element, a `u16` root slot per tgid.
pub const INDEX: &str = "INDEX";
/// Map: tgid → [`crate::record::Member`].
pub const MEMBERS: &str = "MEMBERS";
/// Map: task pointer → [`crate::record::Birth`]; launchers' marks and adopters' holds.
pub const SEEDS: &str = "SEEDS";
/// Map: (tgid, start) → [`crate::record::Dead`].
pub const DEAD: &str = "DEAD";
/// Map: one element, `u32` counters by `tgid & mask`.
pub const FILTER: &str = "FILTER";
/// Map: root slot → [`crate::record::Reasons`].
pub const REASONS: &str = "REASONS";
/// Map: one [`crate::record::Global`].
pub const GLOBAL: &str = "GLOBAL";
/// Map: (child tgid, child start) → [`crate::record::Edge`], filled only in adopt mode.
pub const EDGES: &str = "EDGES";

/// Every map in the order in which it is created.
pub const MAPS: [&str; 12] =
    [BIRTHS, POP, ROOTS, CONTROL, INDEX, MEMBERS, SEEDS, DEAD, FILTER, REASONS, GLOBAL, EDGES];

/// Program on `sched_process_exit`.
pub const P_EXIT: &str = "on_exit";
/// Program on `sched_process_exec`.
pub const P_EXEC: &str = "on_exec";
/// Program on `task_newtask`: registers births.
pub const P_NEWTASK: &str = "on_newtask";
/// Program on `sched_process_fork`: looks whether the birth was registered.
pub const P_FORK: &str = "on_fork";
/// Programs that are attached and pinned as links, in attach order (exit first: kernel.md L7).
pub const HOOKS: [(&str, &str); 4] = [
    (P_EXIT, "sched_process_exit"),
    (P_EXEC, "sched_process_exec"),
    (P_NEWTASK, "task_newtask"),
    (P_FORK, "sched_process_fork"),
];
/// On-demand program, run with `BPF_PROG_TEST_RUN`; see [`crate::ctl`].
pub const P_CTL: &str = "on_ctl";
/// Gate C at system call entry; attached only while a kill is in flight.
pub const P_SYS_ENTER: &str = "on_sys_enter";
/// Gate C at system call exit.
pub const P_SYS_EXIT: &str = "on_sys_exit";
/// Task iterator: repair, and the passes of an adoption.
pub const P_WALK: &str = "on_walk";
