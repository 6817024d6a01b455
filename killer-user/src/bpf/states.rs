//! States of members' threads: a task iterator, which is loaded when it is needed first, and stays for the next one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use bytemuck::pod_read_unaligned;
use killer_common::names::{INDEX, P_STATES};
use killer_common::states::Thread;

use super::programs::Programs;
use super::written_in;
use crate::keep::States;
use crate::kernel::btf::{Btf, Offsets};
use crate::sys::bpf::{self, Code, For};
use crate::sys::limits;

/// The eBPF object of this build.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/states.bpf.o"));

/// Loads the program; `index` is the map that says of which processes it tells.
fn load(index: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // As in `load`: another process has made the maps.
    let _ = limits::lift_memlock();
    let btf = Btf::kernel().map_err(io::Error::other)?;
    let offsets = Offsets::read(&btf).map_err(io::Error::other)?;
    let lacks = || io::Error::from(io::ErrorKind::Unsupported);
    let walk = offsets.hook("bpf_iter_task").ok_or_else(lacks)?;
    let fields = written_in::fields(&offsets).ok_or_else(lacks)?;
    let code = written_in::code(OBJECT, &[index], &[], &fields)
        .ok_or_else(|| io::Error::other("states.bpf.o is no object of this build"))?;
    Ok(bpf::load(For::Tasks(walk), &Code { name: P_STATES, instructions: &code, info: None })?)
}

/// Runs it for each task.
fn read(program: impl AsFd) -> io::Result<Vec<Thread>> {
    let bytes = bpf::iter_read(program)?;
    Ok(bytes.chunks_exact(size_of::<Thread>()).map(pod_read_unaligned).collect())
}

impl Programs {
    /// Whether the program may be asked. KILLER_STATES=proc is for tests, as on a kernel that does not take it.
    pub(super) fn tells_states(&self) -> bool {
        !self.no_states.load(Ordering::Relaxed)
            && std::env::var_os("KILLER_STATES").is_none_or(|s| s != "proc")
    }
}

impl States for Programs {
    fn threads(&self) -> io::Result<Vec<Thread>> {
        let program = self.in_pins(|v| {
            let at = v.join("progs").join(P_STATES);
            match bpf::obj_get(&at) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                r => return r,
            }
            let index = bpf::obj_get(&v.join("maps").join(INDEX))?;
            let program =
                load(index.as_fd()).inspect_err(|_| self.no_states.store(true, Ordering::Relaxed))?;
            match bpf::obj_pin(&program, &at) {
                // Another process has loaded it meanwhile.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(program),
                r => r.map(|()| program),
            }
        })?;
        read(program)
    }
}
