//! The hooks. Beside a birth witness two LSM hooks, which nothing skips: the first sees the script (`fs/exec.c:bprm_execve`, once
//! an exec, 5.8+), the second is past the point of no return. Elsewhere `sched_process_exec`, twice.

use killer_common::rule::*;

use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::task::{self, load32, load64, loadp};
use crate::{asked, element, file, find, open, typed, words};

/// The set in force and the user, when the current process may open anything at all.
#[inline(always)]
fn looked_at(t: task::Task) -> Option<(u32, u32)> {
    let g = GLOBAL.get_ptr(0)?;
    // SAFETY: g points to a whole Global.
    let (set, flags, root) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*g).rules),
            core::ptr::read_volatile(&raw const (*g).rules_flags),
            core::ptr::read_volatile(&raw const (*g).rules_root),
        )
    };
    if set == 0 {
        return None;
    }
    let cred = loadp(t, off_cred());
    let uid = load32(cred, off_uid());
    if uid != load32(cred, off_euid()) || uid != 0 && flags & OTHER_USERS == 0 {
        return None;
    }
    // A container, a chroot: the same path is another file there, and another's service.
    if load64(loadp(t, off_fs()), off_fs_root()) != root {
        return None;
    }
    Some((set, uid))
}

/// match-proto: `int security_bprm_creds_for_exec(struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "lsm/bprm_creds_for_exec")]
extern "C" fn on_rule_file(ctx: *const u64) -> i32 {
    let found = match looked_at(task::current()) {
        Some((set, uid)) => seen(ctx, set, uid),
        None => false,
    };
    // What an exec that failed has left behind goes, too.
    if !found {
        element::drop();
    }
    0
}

/// match-proto: `void security_bprm_committed_creds(const struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "lsm/bprm_committed_creds")]
extern "C" fn on_rule_open(ctx: *const u64) -> i32 {
    let Some(m) = element::mine() else { return 0 };
    // SAFETY: m points to a whole Matched.
    if unsafe { (*m).exec } == task::arg_key(ctx, 0) {
        opens(task::current(), m, load64(task::arg(ctx, 0), off_bprm_p()));
    }
    element::drop();
    0
}

/// The same where LSM programs do not act (`fentry`). Who it is, and in which root directory, is looked at when it opens: before 5.11 a
/// program here is not shown the current task.
///
/// match-proto: `int security_bprm_creds_for_exec(struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "fentry/security_bprm_creds_for_exec")]
extern "C" fn on_rule_seen(ctx: *const u64) -> i32 {
    let Some(g) = GLOBAL.get_ptr(0) else { return 0 };
    // SAFETY: g points to a whole Global.
    let (set, flags) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*g).rules),
            core::ptr::read_volatile(&raw const (*g).rules_flags),
        )
    };
    let uid = aya_ebpf::helpers::bpf_get_current_uid_gid() as u32;
    if set == 0 || uid != 0 && flags & OTHER_USERS == 0 || !seen(ctx, set, uid) {
        element::drop();
    }
    0
}

/// Keeps the file of an exec; false when no rule is for it.
#[inline(always)]
fn seen(ctx: *const u64, set: u32, uid: u32) -> bool {
    file::keep(file::of_exec(task::arg(ctx, 0)), set, uid, task::arg_key(ctx, 0)) && find::rule_find() != 0
}

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_rule(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 0);
    if have_current_btf() == 0 {
        asked::at_exec(t);
    }
    execed(ctx);
    0
}

/// The same once more: from 7.0 on each program is skipped on its own.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_rule_again(ctx: *const u64) -> i32 {
    execed(ctx);
    0
}

#[inline(always)]
fn execed(ctx: *const u64) {
    let t = task::arg(ctx, 0);
    let Some((set, uid)) = looked_at(t) else { return };
    let bprm = task::arg(ctx, 2);
    // Most execs are of a program in a directory that no rule names, and of those none has left anything.
    let is_script = typed::is_script(bprm);
    if !is_script && !file::may_match(file::of_exec(bprm), set) {
        return;
    }
    let count = load32(t, off_execs()) as u64;
    let mut seen = false;
    if let Some(m) = element::mine() {
        // SAFETY: m points to a whole Matched.
        let exec = unsafe { (*m).exec };
        if exec == count {
            // The other copy has done it.
            return element::drop();
        }
        // An address of the kernel is no count of execs.
        seen = exec == task::arg_key(ctx, 2);
        if !seen {
            element::drop();
        }
    }
    if !seen {
        let kept = match is_script {
            true => typed::keep(t, bprm, set, uid),
            false => file::keep(file::of_exec(bprm), set, uid, 0),
        };
        if !kept || find::rule_find() == 0 {
            return element::drop();
        }
    }
    let Some(m) = element::mine() else { return };
    opens(t, m, load64(loadp(t, off_mm()), off_args()));
    match rules_twice() {
        0 => element::drop(),
        // SAFETY: m points to a whole Matched.
        _ => unsafe { (*m).exec = count },
    }
}

/// What has matched opens an instance, but for words that start nothing.
#[inline(always)]
fn opens(t: task::Task, m: *mut Matched, words: u64) {
    let facts = task::facts(t);
    // SAFETY: m points to a whole Matched.
    let kind = unsafe {
        (*m).start = task::leader_start(t);
        (*m).inode = facts.inode;
        (*m).comm = facts.comm;
        (*m).kind
    };
    if words::rule_words(words) == 0 {
        return;
    }
    if kind == ARGUMENT && words::rule_argument() == 0 {
        return;
    }
    if kind == SHELL {
        typed::keep_pwd(t, m);
        if typed::rule_path(typed::USER) == 0 {
            return;
        }
        let its = find::rule_find();
        if its != SCRIPT && its != RUN {
            return;
        }
    }
    open::open();
}
