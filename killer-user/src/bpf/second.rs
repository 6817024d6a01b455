//! The second object: tiers raw and legacy, for kernels without BTF.

use std::path::Path;

use aya::EbpfLoader;
use aya::programs::{RawTracePoint, TracePoint};
use killer_common::names::*;

use super::maps::Limits;
use super::object::{chain, pinned, program, refused};
use super::{attach, lacks};
use crate::keep::{KeepError, What};
use crate::kernel::tier::Tier;
use crate::kernel::tracefs;
use crate::sys::bpf;

/// The object of this build.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/legacy.bpf.o"));

/// Bytes of a `task_struct` that are looked through for our own number.
const TASK_BYTES: u64 = 16384;
const P_PEEK: &str = "on_peek";

/// The offset of `tgid` in `task_struct`: where tasks whose numbers differ all have (pid, tgid) as neighbours, as every
/// kernel so far has them.
fn find_tgid(peek: &std::os::fd::OwnedFd) -> Result<u32, KeepError> {
    let places = || -> std::io::Result<Vec<u64>> {
        let me = std::process::id() as i32;
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        let at = |o: u64| {
            let mut a = [0; 12];
            a[0] = o;
            bpf::prog_run(peek, &a)
        };
        let mut found = Vec::new();
        let mut last = 0;
        for o in (0..TASK_BYTES).step_by(4) {
            let v = at(o)?;
            if v == me && last == tid {
                found.push(o);
            }
            last = v;
        }
        Ok(found)
    };
    // A thread of our own has two different numbers, and the process one: only the right place fits both.
    let ours = places().map_err(|e| lacks::running("looking for the own number", e))?;
    let thread = std::thread::scope(|s| s.spawn(places).join())
        .unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))
        .what("looking for a thread's number")?;
    match thread.iter().filter(|o| ours.contains(o)).collect::<Vec<_>>()[..] {
        [&one] => Ok(one as u32),
        [] => Err(KeepError::Kernel(
            "readable kernel memory for programs (lockdown=confidentiality?): a newborn's number is not found".into(),
        )),
        _ => Err(KeepError::Kernel("one place only for a task's number: the layout is not known".into())),
    }
}

/// Loads and pins the programs of a tier into `progs`; maps are pinned in `maps` already.
pub(super) fn load(maps: &Path, progs: &Path, tier: Tier) -> Result<(), KeepError> {
    let second = if tier == Tier::Raw { 1u32 } else { 2 };
    let share = Limits::read().ancestors_of_one();
    let object = |tgid: u32, newtask: (u32, u32), old_pid: u32| {
        let mut loader = EbpfLoader::new();
        loader.btf(None).default_map_pin_directory(maps);
        for (knob, value) in [
            ("SECOND", &second),
            ("OFF_TASK_TGID", &tgid),
            ("ANCESTORS_MOST", &share),
            ("REC_NEWTASK_PID", &newtask.0),
            ("REC_NEWTASK_FLAGS", &newtask.1),
            ("REC_EXEC_OLD_PID", &old_pid),
        ] {
            loader.override_global(knob, value, false);
        }
        loader.load(OBJECT).map_err(|e| KeepError::Refused { name: "legacy.bpf.o".into(), why: chain(&e) })
    };
    let mut ebpf = match tier {
        Tier::Raw => {
            let mut first = object(0, (0, 0), 0)?;
            let p: &mut RawTracePoint = program(&mut first, P_PEEK)?;
            p.load().map_err(|e| refused(P_PEEK, &e))?;
            pinned(P_PEEK, p.pin(progs.join(P_PEEK)))?;
            let peek = bpf::obj_get(&progs.join(P_PEEK)).what("opening program on_peek")?;
            let _ = std::fs::remove_file(progs.join(P_PEEK));
            object(find_tgid(&peek)?, (0, 0), 0)?
        }
        _ => {
            let root = tracefs::root().map_err(KeepError::Kernel)?;
            let at = |e: &str, f: &str, width| tracefs::offset(&root, e, f, width).map_err(KeepError::Kernel);
            let flags = at("task/task_newtask", "clone_flags", 8)?;
            let newtask = (at("task/task_newtask", "pid", 4)?, flags);
            object(0, newtask, at("sched/sched_process_exec", "old_pid", 4)?)?
        }
    };
    let ctl: &mut RawTracePoint = program(&mut ebpf, P_CTL)?;
    ctl.load().map_err(|e| refused(P_CTL, &e))?;
    pinned(P_CTL, ctl.pin(progs.join(P_CTL)))?;
    let calls = [P_SYS_ENTER, P_SYS_EXIT];
    if tier == Tier::Raw {
        for name in attach::RAW.iter().map(|h| h.0).chain(calls) {
            let p: &mut RawTracePoint = program(&mut ebpf, name)?;
            p.load().map_err(|e| refused(name, &e))?;
            pinned(name, p.pin(progs.join(name)))?;
        }
    } else {
        for name in attach::CLASSIC.iter().map(|h| h.0).chain(calls) {
            let own = name.replace("on_", "c_");
            let p: &mut TracePoint = program(&mut ebpf, &own)?;
            p.load().map_err(|e| refused(name, &e))?;
            pinned(name, p.pin(progs.join(name)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_carries_no_btf() {
        // Kernels before 5.0 refuse every program that comes with it.
        assert!(!OBJECT.windows(4).any(|w| w == b".BTF"), "a section of BTF is in legacy.bpf.o");
        assert!(OBJECT.windows(5).any(|w| w == b"maps\0"), "its maps need BTF");
    }
}
