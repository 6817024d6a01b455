//! The hooks.

use killer_common::record::TaskKey;
use killer_common::recorder::*;

use crate::knobs::*;
use crate::maps::{BIRTHS, maybe_ours};
use crate::task::{self, PF_KTHREAD, load32, loadp};
use crate::{execs, nodes};

/// After the hooks on `task_newtask`, whichever was attached first: a member's child is one by now.
///
/// match-proto: `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_fork")]
extern "C" fn on_record_fork(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 1);
    if task::pid(t) != task::tgid(t) || task::flags(t) & PF_KTHREAD != 0 {
        return 0;
    }
    if nodes::members_only() && BIRTHS.get_ptr(&task::arg_key(ctx, 1)).is_none() {
        return 0;
    }
    // The first argument is the task that forks (`kernel/fork.c:kernel_clone`), also with CLONE_PARENT.
    let creator = task::arg(ctx, 0);
    let above = if task::flags(creator) & PF_KTHREAD != 0 { TaskKey::default() } else { task::key(creator) };
    nodes::make(t, task::arg_key(ctx, 1), &above, 0);
    0
}

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_record_exec(ctx: *const u64) -> i32 {
    if nodes::members_only() && !maybe_ours(task::current_tgid()) {
        return 0;
    }
    let t = task::arg(ctx, 0);
    let key = task::key(t);
    if nodes::of(&key).is_none() {
        // A member that was adopted, or what the kernel has begun (`kernel/umh.c`).
        nodes::make(t, task::arg_key(ctx, 0), &TaskKey::default(), N_BEFORE);
    }
    let Some(n) = nodes::of(&key) else { return 0 };
    let cred = loadp(t, off_cred());
    // SAFETY: n points to a whole Node, of the current process.
    unsafe {
        (*n).uid = load32(cred, off_uid());
        (*n).euid = load32(cred, off_euid());
        (*n).comm = task::comm(t);
    }
    execs::note(t, task::arg(ctx, 2), &key, n);
    0
}

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_record_exit(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 0);
    if task::live(t) == 0 {
        nodes::ended(&task::key(t), task::status(t));
    }
    0
}

/// Meets the processes that are there, once, when the hooks are attached. The context holds two pointers, to what the iterator is about
/// and to the task, which is none at the end (`kernel/bpf/task_iter.c:__task_seq_show`).
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
extern "C" fn on_record_all(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 1);
    if t == 0 {
        nodes::complete();
        return 0;
    }
    if task::pid(t) != task::tgid(t) || task::flags(t) & PF_KTHREAD != 0 {
        return 0;
    }
    if nodes::members_only() && !maybe_ours(task::tgid(t)) {
        return 0;
    }
    // A dead leader stands for its process while another thread of it lives.
    if task::live(t) == 0 {
        return 0;
    }
    let parent = task::real_parent(t);
    let above = if task::flags(parent) & PF_KTHREAD != 0 { TaskKey::default() } else { task::key(parent) };
    nodes::make(t, task::arg_key(ctx, 1), &above, N_BEFORE);
    // Its last thread may have passed the hook before the node was there.
    if task::live(t) == 0 {
        nodes::ended(&task::key(t), 0);
    }
    0
}
