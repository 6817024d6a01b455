//! What user space asks of the rules' object, on demand (killer-common `rule`).

use killer_common::rule::{PUT, WHERE};

use crate::file;
use crate::knobs::*;
use crate::maps::GLOBAL;
use crate::task::{self, load64, loadp};

const EINVAL: i32 = -22;
const ENOSYS: i32 = -38;

/// Entry by hand: the `#[raw_tracepoint]` macro throws the return value away.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_rule_ctl(ctx: *const u64) -> i32 {
    let a = |n| task::arg_key(ctx, n);
    let Some(g) = GLOBAL.get_ptr_mut(0) else { return EINVAL };
    if have_current_btf() == 0 {
        return ENOSYS;
    }
    let fs = loadp(task::current(), off_fs());
    // SAFETY: g points to a whole Global.
    unsafe {
        match a(0) {
            PUT => {
                core::ptr::write_volatile(&raw mut (*g).rules_root, load64(fs, off_fs_root()));
                core::ptr::write_volatile(&raw mut (*g).rules_flags, a(2) as u32);
                core::ptr::write_volatile(&raw mut (*g).rules, a(1) as u32);
                0
            }
            WHERE => {
                let (dev, ino) = file::place(loadp(fs, off_fs_pwd()));
                (*g).asked_dev = dev;
                (*g).asked_ino = ino;
                (*g).asked_by = aya_ebpf::helpers::bpf_get_current_pid_tgid() & 0xffff_ffff;
                0
            }
            _ => EINVAL,
        }
    }
}
