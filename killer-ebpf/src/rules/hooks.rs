//! The hooks. Beside a birth witness two LSM hooks, which nothing skips: the first sees the script (`fs/exec.c:bprm_execve`, once
//! an exec, 5.8+), the second is past the point of no return. Elsewhere `sched_process_exec`, twice.

use aya_ebpf::bindings::BPF_ANY;
use killer_common::rule::*;

use crate::file::{self, WORDS};
use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::rule_maps::MATCHED;
use crate::task::{self, load32, load64, loadp};
use crate::words::{self, Words};
use crate::{asked, open, typed};

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
    match looked_at(task::current()) {
        Some((set, uid)) => seen(ctx, set, uid),
        None => drop(MATCHED.remove(&task::current_addr())),
    }
    0
}

/// match-proto: `void security_bprm_committed_creds(const struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "lsm/bprm_committed_creds")]
extern "C" fn on_rule_open(ctx: *const u64) -> i32 {
    let cur = task::current_addr();
    // SAFETY: plain data.
    let Some(m) = (unsafe { MATCHED.get(&cur) }) else { return 0 };
    let mut m = *m;
    let _ = MATCHED.remove(&cur);
    if m.exec == task::arg_key(ctx, 0) {
        opens(task::current(), &mut m, load64(task::arg(ctx, 0), off_bprm_p()));
    }
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
    if set == 0 || uid != 0 && flags & OTHER_USERS == 0 {
        return 0;
    }
    seen(ctx, set, uid);
    0
}

/// Keeps what the file of an exec names, or drops what an exec that failed has left behind.
#[inline(always)]
fn seen(ctx: *const u64, set: u32, uid: u32) {
    let cur = task::current_addr();
    let mut m = Matched { exec: task::arg_key(ctx, 0), ..Matched::default() };
    let d = file::of_exec(task::arg(ctx, 0));
    let dir = file::parent(d);
    let (dev, ino) = file::place(dir);
    let mut key = FileKey { prefix_len: FileKey::FILE, set, dev, ino, file: [0; WORDS] };
    if !file::name(d, &mut key.file) || !file::rule(&mut key, dir, uid, &mut m) {
        let _ = MATCHED.remove(&cur);
    } else if MATCHED.insert(&cur, &m, BPF_ANY as u64).is_err() {
        open::no_slot(0);
    }
}

/// match-proto: `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_rule(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 0);
    if have_current_btf() == 0 {
        asked::at_exec(t);
    }
    let Some((set, uid)) = looked_at(t) else { return 0 };
    execed(ctx, set, uid);
    0
}

/// The same once more: from 7.0 on each program is skipped on its own.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/sched_process_exec")]
extern "C" fn on_rule_again(ctx: *const u64) -> i32 {
    let t = task::arg(ctx, 0);
    let Some((set, uid)) = looked_at(t) else { return 0 };
    let cur = task::current_addr();
    // SAFETY: plain data.
    if unsafe { MATCHED.get(&cur) }.is_some_and(|m| m.exec == load32(t, off_execs()) as u64) {
        let _ = MATCHED.remove(&cur);
        return 0;
    }
    execed(ctx, set, uid);
    0
}

#[inline(always)]
fn execed(ctx: *const u64, set: u32, uid: u32) {
    let t = task::arg(ctx, 0);
    let cur = task::current_addr();
    let mut m = Matched::default();
    // SAFETY: plain data.
    match unsafe { MATCHED.get(&cur) } {
        // Its file was seen; an address of the kernel is no count of execs.
        Some(seen) if seen.exec == task::arg_key(ctx, 2) => m = *seen,
        _ => {
            if !typed::matches(t, task::arg(ctx, 2), set, uid, &mut m) {
                return;
            }
        }
    }
    m.exec = load32(t, off_execs()) as u64;
    // The other copy finds that it has been done.
    let _ = MATCHED.insert(&cur, &m, BPF_ANY as u64);
    opens(t, &mut m, load64(loadp(t, off_mm()), off_args()));
}

/// What has matched opens an instance, but for words that start nothing.
#[inline(always)]
fn opens(t: task::Task, m: &mut Matched, words: u64) {
    let mut w = Words::default();
    words::look(words, m.kind, &mut w);
    if !w.quiet && words::named(m, &w) {
        open::open(t, m, &w);
    }
}
