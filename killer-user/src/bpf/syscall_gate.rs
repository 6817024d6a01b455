//! Gate C: two programs at system calls, attached only while a kill is in flight. The links are not pinned, so they go with
//! this process whatever happens to it.

use std::io;
use std::os::fd::OwnedFd;

use killer_common::names::{P_SYS_ENTER, P_SYS_EXIT};

use super::tracker::Tracker;
use super::{attach, canary};
use crate::kernel::tier::Tier;
use crate::sys::bpf;

/// Holds the gate at system calls closed for gated roots while it lives.
#[derive(Debug)]
pub struct SyscallGate {
    _links: Vec<OwnedFd>,
}

impl SyscallGate {
    /// Attaches both programs.
    pub fn attach(t: &Tracker) -> io::Result<Self> {
        let gate = Self { _links: vec![at(t, P_SYS_ENTER, "sys_enter")?, at(t, P_SYS_EXIT, "sys_exit")?] };
        // Attached is not yet acting: a child below the canary's root must die by it.
        if !canary::doomed(t) {
            return Err(io::Error::other("the programs at system calls do not act"));
        }
        Ok(gate)
    }

    /// Attaches the one at entries: a broadcast has them stamped.
    pub fn entries(t: &Tracker) -> io::Result<Self> {
        Ok(Self { _links: vec![at(t, P_SYS_ENTER, "sys_enter")?] })
    }
}

fn at(t: &Tracker, program: &str, name: &str) -> io::Result<OwnedFd> {
    let prog = t.program(program)?;
    if t.tier() == Tier::Legacy {
        let event = format!("raw_syscalls/{name}");
        let link = attach::classic(&prog.try_clone_to_owned()?, &event).map_err(io::Error::other)?;
        return Ok(link.0);
    }
    bpf::raw_tracepoint_open(prog, name)
}
