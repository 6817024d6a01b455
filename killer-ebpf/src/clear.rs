//! Empties the fork edge log before an adoption (`bpf_for_each_map_elem`, 5.13+: a program of its own, so that its
//! refusal costs nothing else).

use core::ffi::c_void;

use killer_common::record::TaskKey;

use crate::maps::EDGES;

extern "C" fn drop_edge(
    _map: *mut c_void,
    key: *const TaskKey,
    _value: *mut c_void,
    _ctx: *mut c_void,
) -> i64 {
    // SAFETY: the kernel passes the element's key; it is copied to the stack.
    let k = unsafe { *key };
    let _ = EDGES.remove(&k);
    0
}

/// Entry by hand: run on demand.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp")]
extern "C" fn on_clear(_ctx: *const u64) -> i32 {
    // SAFETY: map and callback are of this object; the callback deletes only the element that it is given.
    unsafe {
        aya_ebpf::helpers::generated::bpf_for_each_map_elem(
            (&raw const EDGES) as *mut c_void,
            drop_edge as *mut c_void,
            core::ptr::null_mut(),
            0,
        ) as i32
    }
}
