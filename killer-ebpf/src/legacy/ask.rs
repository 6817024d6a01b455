//! Requests of user space where no program can be run on demand (before 5.10): a task leaves its request in a map and gives
//! itself the name that it has. That is a tracepoint in its own context, and a rare one, so that this program can stay attached.

use aya_ebpf::maps::HashMap;
use killer_common::patch;
use killer_common::record::Request;

use crate::{ctl, task};

/// Requests by thread: tgid and tid.
#[aya_ebpf::macros::map]
pub static REQUESTS: HashMap<u64, Request> = HashMap::pinned(killer_common::MAX_REQUESTS, 0);

/// match-proto: `trace_task_rename(struct task_struct *task, const char *comm)` (`fs/exec.c:__set_task_comm`)
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/task_rename")]
extern "C" fn on_ask(_ctx: *const u64) -> i32 {
    asked()
}

/// The same at the classic tracepoint.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint/task/task_rename")]
extern "C" fn c_ask(_ctx: *const u8) -> i32 {
    asked()
}

#[inline(always)]
fn asked() -> i32 {
    let me = aya_ebpf::helpers::bpf_get_current_pid_tgid();
    let Some(r) = REQUESTS.get_ptr_mut(&me) else { return 0 };
    // SAFETY: r points to a whole Request, which only this task and its program look at.
    unsafe {
        if core::ptr::read_volatile(&raw const (*r).done) != 0 {
            return 0;
        }
        core::ptr::write_volatile(&raw mut (*r).done, 1);
        let args = (&raw const (*r).args).cast::<u64>();
        let result = match core::ptr::read_volatile(args) {
            patch::PEEK => task::peek(core::ptr::read_volatile(args.add(1))),
            _ => ctl::run(args),
        };
        core::ptr::write_volatile(&raw mut (*r).result, result);
        core::ptr::write_volatile(&raw mut (*r).done, 2);
    }
    0
}
