//! What user space asks of the rules' object, on demand (killer-common `rule`).

use killer_common::rule::{AT_EXEC, PUT, WHERE};

use crate::file;
use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::task::{self, Task, load64, loadp};

const EINVAL: i32 = -22;
const EAGAIN: i32 = -11;
const ENOSYS: i32 = -38;

/// Entry by hand: the `#[raw_tracepoint]` macro throws the return value away.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_rule_ctl(ctx: *const u64) -> i32 {
    let a = |n| task::arg_key(ctx, n);
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return EINVAL };
    // SAFETY: g points to a whole Global.
    unsafe {
        match a(0) {
            PUT => {
                let root = match have_current_btf() {
                    0 => (*g).asked_root,
                    _ => load64(loadp(task::current(), off_fs()), off_fs_root()),
                };
                if root == 0 {
                    return EAGAIN;
                }
                core::ptr::write_volatile(&raw mut (*g).rules_root, root);
                // Those of a set that is withdrawn stay: it may be put in force again.
                if a(1) == 0 {
                    core::ptr::write_volatile(&raw mut (*g).rules, 0);
                    return 0;
                }
                core::ptr::write_volatile(&raw mut (*g).rules_flags, a(2) as u32);
                // While one set takes the place of another, the marks of both count.
                let (dirs, paths) = (&raw mut (*g).rules_dirs, &raw mut (*g).rules_paths);
                core::ptr::write_volatile(dirs, core::ptr::read_volatile(dirs) | a(3));
                core::ptr::write_volatile(paths, core::ptr::read_volatile(paths) | a(4));
                core::ptr::write_volatile(&raw mut (*g).rules, a(1) as u32);
                core::ptr::write_volatile(dirs, a(3));
                core::ptr::write_volatile(paths, a(4));
                0
            }
            WHERE if have_current_btf() == 0 => {
                (*g).asked_by = AT_EXEC | task::current_tgid() as u64;
                ENOSYS
            }
            WHERE => {
                let (dev, ino) = file::place(loadp(loadp(task::current(), off_fs()), off_fs_pwd()));
                (*g).asked_dev = dev;
                (*g).asked_ino = ino;
                (*g).asked_by = aya_ebpf::helpers::bpf_get_current_pid_tgid() & 0xffff_ffff;
                0
            }
            _ => EINVAL,
        }
    }
}

/// Answers by an exec, where no program can see its caller otherwise.
#[inline(always)]
pub fn at_exec(t: Task) {
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return };
    // SAFETY: g points to a whole Global.
    unsafe {
        let by = core::ptr::read_volatile(&raw const (*g).asked_by);
        if by & AT_EXEC == 0 || by & !AT_EXEC != task::tgid(task::real_parent(t)) as u64 {
            return;
        }
        let fs = loadp(t, off_fs());
        let (dev, ino) = file::place(loadp(fs, off_fs_pwd()));
        (*g).asked_dev = dev;
        (*g).asked_ino = ino;
        (*g).asked_root = load64(fs, off_fs_root());
        core::ptr::write_volatile(&raw mut (*g).asked_by, by & !AT_EXEC);
    }
}
