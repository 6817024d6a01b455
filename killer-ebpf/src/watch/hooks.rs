//! The hooks.

use aya_ebpf::helpers::generated as h;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use killer_common::MAX_ENDING;
use killer_common::record::{B_THREAD, ENDED};
use killer_common::watch::*;

use crate::events;
use crate::exe;
use crate::knobs::*;
use crate::maps::{BIRTHS, ENDING};
use crate::sender::{Sender, sender};
use crate::task::{self, load32, load64, loadp};

const SIGCHLD: u32 = 17;
/// `include/uapi/linux/sched.h`
const CLONE_THREAD: u64 = 0x10000;

/// match-proto: `trace_task_newtask(struct task_struct *task, u64 clone_flags)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/task_newtask")]
extern "C" fn on_watch_fork(ctx: *const u64) -> i32 {
    let member = BIRTHS.get_ptr_mut(&task::arg_key(ctx, 0));
    let t = task::arg(ctx, 0);
    if task::arg_key(ctx, 1) & CLONE_THREAD == 0 {
        exe::born(t, member);
    }
    let Some(m) = member else { return 0 };
    // SAFETY: m points to a whole Member.
    let (root, generation, flags, creator, start) =
        unsafe { ((*m).root, (*m).generation, (*m).flags, (*m).creator_tgid, (*m).creator_start) };
    if flags & B_THREAD != 0 || !events::wanted(FORK, task::uid(t), root) || !exe::wanted(t) {
        return 0;
    }
    events::write(FORK, (root, generation), t, |e| {
        // SAFETY: e points to a whole Event.
        unsafe {
            (*e).other = creator;
            (*e).other_start = start;
        }
    });
    0
}

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_watch_exec(ctx: *const u64) -> i32 {
    exe::executed(task::arg(ctx, 0), task::arg(ctx, 2));
    let Some(m) = BIRTHS.get_ptr(&task::arg_key(ctx, 0)) else { return 0 };
    let t = task::arg(ctx, 0);
    // SAFETY: m points to a whole Member.
    let (root, generation) = unsafe { ((*m).root, (*m).generation) };
    if !events::wanted(EXEC, task::uid(t), root) || !exe::wanted(t) {
        return 0;
    }
    events::write_exec((root, generation), t, |e| {
        let bprm = task::arg(ctx, 2);
        let inode = loadp(loadp(loadp(bprm, off_bprm_file()), off_file_dentry()), off_dentry_inode());
        let mm = loadp(t, off_mm());
        let from = load64(mm, off_args());
        let len = load64(mm, off_args() + 8).wrapping_sub(from);
        // SAFETY: e points to a whole Exec; the helpers write no more than they are told to, and say when they cannot read.
        unsafe {
            (*e).event.file_inode = load64(inode, off_inode_ino());
            (*e).event.file_dev = load32(loadp(inode, off_inode_sb()), off_sb_dev());
            (*e).event.args_len = if len > u32::MAX as u64 { u32::MAX } else { len as u32 };
            (*e).path[0] = 0;
            if reads_kernel() != 0 {
                let name = loadp(bprm, off_bprm_name());
                let at = (&raw mut (*e).path).cast();
                h::bpf_probe_read_kernel_str(at, PATH as u32, name as *const _);
            }
            let most = if len > ARGS as u64 - 1 { ARGS as u64 - 1 } else { len };
            let at = (&raw mut (*e).args).cast();
            if h::bpf_probe_read_user(at, most as u32 & (ARGS as u32 - 1), from as *const _) != 0 {
                (*e).event.args_len = 0;
            }
        }
    });
    0
}

/// match-proto: `trace_sched_process_exit(struct task_struct *p[, bool group_dead])`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exit")]
extern "C" fn on_watch_exit(ctx: *const u64) -> i32 {
    let tgid = task::current_tgid();
    let of = task::arg(ctx, 0);
    if task::live(of) != 0 {
        return 0;
    }
    let its_program = exe::ended(of);
    let Some(e) = ENDING.get_ptr(tgid & (MAX_ENDING - 1)) else { return 0 };
    // SAFETY: e points to a whole Ending.
    let (its, start, root, generation) = unsafe { ((*e).tgid, (*e).start, (*e).root, (*e).generation) };
    let t = task::arg(ctx, 0);
    if its != tgid || start != task::leader_start(t) {
        return 0;
    }
    if !its_program || !events::wanted(EXIT, task::uid(t), root) {
        return 0;
    }
    let code = task::status(t) & (ENDED - 1);
    // SAFETY: e points to a whole Event.
    events::write(EXIT, (root, generation), t, |e| unsafe { (*e).code = code });
    0
}

/// match-proto: `trace_signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int
/// result)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/signal_generate")]
extern "C" fn on_watch_signal(ctx: *const u64) -> i32 {
    let signal = task::arg_key(ctx, 0) as u32;
    if signal == SIGCHLD {
        return 0;
    }
    let Some(m) = BIRTHS.get_ptr(&task::arg_key(ctx, 2)) else { return 0 };
    let t = task::arg(ctx, 2);
    // SAFETY: m points to a whole Member.
    let (root, generation) = unsafe { ((*m).root, (*m).generation) };
    if !events::wanted(SIGNAL, task::uid(t), root) || !exe::wanted(t) {
        return 0;
    }
    let by_kernel = if sender(ctx) == Sender::Kernel { BY_KERNEL } else { 0 };
    let result = task::arg_key(ctx, 4) as u32 & (BY_KERNEL - 1) | by_kernel;
    let comm = bpf_get_current_comm().unwrap_or_default();
    events::write(SIGNAL, (root, generation), t, |e| {
        // SAFETY: e points to a whole Event; a name is 16 bytes either way.
        unsafe {
            (*e).code = signal;
            (*e).result = result;
            (*e).other = (bpf_get_current_pid_tgid() >> 32) as u32;
            (*e).other_uid = bpf_get_current_uid_gid() as u32;
            (*e).other_start = task::current_start();
            (*e).other_comm = core::mem::transmute::<[u8; 16], [u64; 2]>(comm);
        }
    });
    0
}
