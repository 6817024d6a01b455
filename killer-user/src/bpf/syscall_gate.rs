//! Gate C: two programs at system calls, attached only while a kill is in flight. The links are not pinned, so they go with
//! this process whatever happens to it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use killer_common::names::{P_SYS_ENTER, P_SYS_EXIT};

use super::attach;
use super::programs::Programs;
use crate::keep::Keep;
use crate::kernel::tier::Tier;
use crate::sys::bpf;

/// Holds the gate at system calls closed for gated roots while it lives.
#[derive(Debug)]
pub struct SyscallGate {
    _links: Vec<OwnedFd>,
}

impl SyscallGate {
    /// What attaches both programs, from whichever thread.
    pub fn prepare(t: &Programs) -> io::Result<impl FnOnce() -> io::Result<Self> + Send + 'static> {
        let tier = t.tier();
        let own = |name| t.program(name).and_then(|p| p.as_fd().try_clone_to_owned());
        let (enter, exit) = (own(P_SYS_ENTER)?, own(P_SYS_EXIT)?);
        Ok(move || Ok(Self { _links: vec![at(tier, &enter, "sys_enter")?, at(tier, &exit, "sys_exit")?] }))
    }

    /// Attaches the one at entries: a broadcast has them stamped.
    pub fn entries(t: &Programs) -> io::Result<Self> {
        let enter = t.program(P_SYS_ENTER)?.as_fd().try_clone_to_owned()?;
        Ok(Self { _links: vec![at(t.tier(), &enter, "sys_enter")?] })
    }
}

fn at(tier: Tier, program: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    if tier == Tier::Legacy {
        let event = format!("raw_syscalls/{name}");
        let link = attach::classic(program, &event).map_err(io::Error::other)?;
        return Ok(link.0);
    }
    bpf::raw_tracepoint_open(program, name)
}
