//! Links: pinned, or held by this process where they cannot be (the keeper).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use killer_common::names::*;

use super::lacks;
use crate::keep::{KeepError, What};
use crate::kernel::tier::Tier;
use crate::kernel::tracefs;
use crate::sys::lack::Lack;
use crate::sys::{bpf, perf};

/// Programs of tier legacy that are attached, in this order: (pin, classic tracepoint).
pub(super) const CLASSIC: [(&str, &str); 3] = [
    (P_EXIT, "sched/sched_process_exit"),
    (P_EXEC, "sched/sched_process_exec"),
    (P_NEWTASK, "task/task_newtask"),
];

/// Hooks of a tier in attach order: ends before births (docs/internals/PROTOCOL.md 10); X, E, F, W. `has`: whether a program is
/// there that may be; `can_skip`: whether this kernel can skip one.
pub(super) fn hooks(
    tier: Tier,
    can_skip: bool,
    has: &dyn Fn(&str) -> bool,
) -> Vec<(&'static str, &'static str)> {
    let may = |name, at| has(name).then_some((name, at)).into_iter();
    let births = HOOKS.into_iter().chain(if can_skip { &SECOND_LOOKS[..] } else { &[] }.iter().copied());
    match tier {
        // What the witness registers, these index and decide: a second look serves there, too.
        Tier::Witnessed => [WITNESS[0]].into_iter().chain(births).chain([WITNESS[1]]).collect(),
        // The children of an ending task before its own end.
        Tier::Typed => may(P_ORPHANS, "sched_process_exit").chain(births).collect(),
        Tier::Raw => may(P_ASK, "task_rename").chain(births).collect(),
        Tier::Legacy => may(P_ASK, "task/task_rename").chain(CLASSIC).collect(),
        _ => Vec::new(),
    }
}

/// Where links go.
#[derive(Debug)]
pub(super) enum Links {
    /// Pinned in this directory.
    Pins(PathBuf),
    /// Kept open.
    Held(Vec<OwnedFd>),
}

impl Links {
    fn keep(&mut self, name: &str, link: OwnedFd, can_pin: bool) -> Result<(), KeepError> {
        match self {
            Self::Held(v) => v.push(link),
            Self::Pins(_) if !can_pin => return Err(KeepError::NeedsKeeper),
            Self::Pins(dir) => {
                match Lack::LinkPins.check().and_then(|()| bpf::obj_pin(&link, &dir.join(name))) {
                    // Links of these kinds can be pinned since 5.7.
                    Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Err(KeepError::NeedsKeeper),
                    r => r.what(format!("pinning the link of {name}"))?,
                }
            }
        }
        Ok(())
    }

    /// Attaches pinned programs that know themselves where they belong.
    pub(super) fn attach_these(&mut self, progs: &Path, these: &[(&str, &str)]) -> Result<(), KeepError> {
        for (name, at) in these {
            let prog = bpf::obj_get(&progs.join(name)).what(format!("opening program {name}"))?;
            let link = bpf::raw_tracepoint_open(&prog, "").map_err(|e| lacks::attaching(name, at, e))?;
            self.keep(name, link, true)?;
        }
        Ok(())
    }

    /// Attaches the pinned programs of a tier. Of the hook on signals see `hearing`: only a keeper holds it all the time, because no
    /// other process can give it a link.
    pub(super) fn attach(&mut self, progs: &Path, tier: Tier, can_skip: bool) -> Result<(), KeepError> {
        for (name, at) in hooks(tier, can_skip, &|p| progs.join(p).exists()) {
            let prog = bpf::obj_get(&progs.join(name)).what(format!("opening program {name}"))?;
            let (link, can_pin) = match tier {
                Tier::Legacy => classic(&prog, at)?,
                Tier::Raw => {
                    (bpf::raw_tracepoint_open(&prog, at).map_err(|e| lacks::attaching(name, at, e))?, true)
                }
                _ => (bpf::raw_tracepoint_open(&prog, "").map_err(|e| lacks::attaching(name, at, e))?, true),
            };
            self.keep(name, link, can_pin)?;
        }
        let signal = progs.join(P_SIGNAL);
        if matches!(self, Self::Held(_)) && signal.exists() {
            self.attach_these(progs, &[(P_SIGNAL, "signal_generate")])?;
        }
        Ok(())
    }
}

/// Attaches a program to a classic tracepoint.
pub(super) fn classic(prog: &OwnedFd, at: &str) -> Result<(OwnedFd, bool), KeepError> {
    let root = tracefs::root().map_err(KeepError::Kernel)?;
    let id = tracefs::id(&root, at).map_err(KeepError::Kernel)?;
    perf::attach(prog, id).map_err(|e| match e.raw_os_error() {
        // Before 4.15 (`kernel/trace/bpf_trace.c:perf_event_attach_bpf_prog`).
        Some(libc::EEXIST) => KeepError::Kernel(format!(
            "a second program at the tracepoint {at}, where another tracer has one: it is older than Linux 4.15"
        )),
        _ => KeepError::Io { what: format!("attaching to {at} (kernel.perf_event_paranoid?)"), source: e },
    })
}

/// Attaches the program for requests, for as long as the descriptor lives.
pub(super) fn at_rename(prog: impl AsFd, tier: Tier) -> io::Result<OwnedFd> {
    match tier {
        Tier::Legacy => {
            let root = tracefs::root().map_err(io::Error::other)?;
            let id = tracefs::id(&root, "task/task_rename").map_err(io::Error::other)?;
            Ok(perf::attach(prog, id)?.0)
        }
        _ => bpf::raw_tracepoint_open(prog, "task_rename"),
    }
}
