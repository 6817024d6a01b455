//! The second object: tiers raw and legacy, for kernels without BTF.

use std::io;
use std::path::Path;

use aya::programs::{RawTracePoint, TracePoint};
use aya::{Ebpf, EbpfLoader};
use killer_common::names::*;
use killer_common::{ctl, patch};

use super::maps::Limits;
use super::object::{chain, pinned, program, refused};
use super::patch::Numbers;
use super::{ask, attach, lacks};
use crate::keep::{KeepError, What};
use crate::kernel::tier::Tier;
use crate::kernel::tracefs;
use crate::sys::{bpf, clock, prog};

/// The object of this build.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/legacy.bpf.o"));

/// Bytes of a `task_struct` that are looked through for our own number.
const TASK_BYTES: u64 = 16384;
const P_PEEK: &str = "on_peek";
/// Numbers of helpers (`include/uapi/linux/bpf.h`).
const KTIME_GET_NS: u32 = 5;
const GET_CURRENT_PID_TGID: u32 = 14;
const GET_CURRENT_TASK: u32 = 35;

/// The offset of `tgid` in `task_struct`: where tasks whose numbers differ all have (pid, tgid) as neighbours, as every
/// kernel so far has them. `at`: the four bytes at an offset of the caller's own task.
fn find_tgid(at: &(dyn Fn(u64) -> io::Result<i32> + Sync)) -> Result<u32, KeepError> {
    let places = || -> io::Result<Vec<u64>> {
        let me = std::process::id() as i32;
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
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
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        .what("looking for a thread's number")?;
    match thread.iter().filter(|o| ours.contains(o)).collect::<Vec<_>>()[..] {
        [&one] => Ok(one as u32),
        [] => Err(KeepError::Kernel(
            "readable kernel memory for programs (lockdown=confidentiality?): a newborn's number is not found".into(),
        )),
        _ => Err(KeepError::Kernel("one place only for a task's number: the layout is not known".into())),
    }
}

/// The numbers for a tier, but for those that are found out by running it.
fn numbers(tier: Tier, can_skip: bool) -> Numbers {
    let mut n = Numbers::default();
    n.knobs[patch::TIER as usize] = if tier == Tier::Raw { 1 } else { 2 };
    n.knobs[patch::ANCESTORS_MOST as usize] = Limits::read().ancestors_of_one();
    n.knobs[patch::CAN_SKIP as usize] = u32::from(can_skip);
    n.knobs[patch::KEY_SHIFT as usize] = if tier == Tier::Raw { 0 } else { 32 };
    n.calls[patch::CURRENT as usize] =
        if tier == Tier::Raw { GET_CURRENT_TASK } else { GET_CURRENT_PID_TGID };
    n.calls[patch::CLOCK as usize] = KTIME_GET_NS;
    match prog::has_boot_clock() {
        true => n.calls[patch::CLOCK as usize] = prog::BOOT_CLOCK as u32,
        false => n.ahead = clock::boottime_ns().saturating_sub(clock::monotonic_ns()),
    }
    n
}

fn object(maps: &Path, n: &Numbers) -> Result<Ebpf, KeepError> {
    let mut elf = OBJECT.to_vec();
    super::patch::patch(&mut elf, n)
        .ok_or_else(|| KeepError::Damaged("legacy.bpf.o (not an ELF object)".into()))?;
    let mut loader = EbpfLoader::new();
    loader.btf(None).default_map_pin_directory(maps);
    loader.load(&elf).map_err(|e| KeepError::Refused { name: "legacy.bpf.o".into(), why: chain(&e) })
}

/// Loads a program of either kind and pins it under a name.
fn put(ebpf: &mut Ebpf, tier: Tier, own: &str, progs: &Path, name: &str) -> Result<(), KeepError> {
    let at = progs.join(name);
    if tier == Tier::Raw {
        let p: &mut RawTracePoint = program(ebpf, own)?;
        p.load().map_err(|e| refused(name, &e))?;
        return pinned(name, p.pin(at));
    }
    let p: &mut TracePoint = program(ebpf, own)?;
    p.load().map_err(|e| refused(name, &e))?;
    pinned(name, p.pin(at))
}

/// Whether a kernel runs raw tracepoint programs on demand.
fn runs(ebpf: &mut Ebpf, progs: &Path) -> Result<bool, KeepError> {
    match put(ebpf, Tier::Raw, P_CTL, progs, P_CTL) {
        // Before 4.17 there is no such kind of program; what else is wrong shows with the other one.
        Err(KeepError::Refused { .. }) => return Ok(false),
        r => r?,
    }
    let ctl = bpf::obj_get(&progs.join(P_CTL)).what("opening program on_ctl")?;
    let mut ask = [0; ctl::ARGS];
    ask[0] = ctl::FEATURES;
    match bpf::prog_run(&ctl, &ask) {
        Err(e) if lacks::unknown(&e) => {
            let _ = std::fs::remove_file(progs.join(P_CTL));
            Ok(false)
        }
        r => r.map(|_| true).map_err(|e| lacks::running("asking the programs what they are", e)),
    }
}

/// Where a newborn's number is.
fn offset(maps: &Path, progs: &Path, n: &Numbers) -> Result<u32, KeepError> {
    let mut first = object(maps, n)?;
    let by_run = runs(&mut first, progs)?;
    let _ = std::fs::remove_file(progs.join(P_CTL));
    let name = if by_run { P_PEEK } else { P_ASK };
    put(&mut first, Tier::Raw, name, progs, name)?;
    let peek = bpf::obj_get(&progs.join(name)).what(format!("opening program {name}"))?;
    let _ = std::fs::remove_file(progs.join(name));
    if by_run {
        return find_tgid(&|o| {
            let mut a = [0; ctl::ARGS];
            a[0] = o;
            bpf::prog_run(&peek, &a)
        });
    }
    let map = ask::Map::at(maps).what("opening the map of requests")?;
    find_tgid(&|o| {
        let mut a = [0; ctl::ARGS];
        (a[0], a[1]) = (patch::PEEK, o);
        map.ask(&peek, Some(Tier::Raw), &a)
    })
}

/// Where the fields of the classic records are.
fn fields() -> Result<[i16; patch::FIELDS], KeepError> {
    let root = tracefs::root().map_err(KeepError::Kernel)?;
    let at = |e: &str, f: &str, width| {
        let o = tracefs::offset(&root, e, f, width).map_err(KeepError::Kernel)?;
        i16::try_from(o).map_err(|_| KeepError::Kernel(format!("a known layout of the tracepoint {e}")))
    };
    let mut v = [0; patch::FIELDS];
    v[patch::NEWTASK_PID as usize] = at("task/task_newtask", "pid", 4)?;
    v[patch::NEWTASK_FLAGS as usize] = at("task/task_newtask", "clone_flags", 8)?;
    v[patch::EXEC_OLD_PID as usize] = at("sched/sched_process_exec", "old_pid", 4)?;
    Ok(v)
}

/// Loads and pins the programs of a tier into `progs`; maps are pinned in `maps` already.
pub(super) fn load(maps: &Path, progs: &Path, tier: Tier, can_skip: bool) -> Result<(), KeepError> {
    let mut n = numbers(tier, can_skip);
    match tier {
        Tier::Raw => n.knobs[patch::OFF_TGID as usize] = offset(maps, progs, &n)?,
        _ => n.fields = fields()?,
    }
    let mut ebpf = object(maps, &n)?;
    let own = |name: &str| match tier {
        Tier::Raw => name.to_owned(),
        _ => name.replace("on_", "c_"),
    };
    if !runs(&mut ebpf, progs)? {
        put(&mut ebpf, tier, &own(P_ASK), progs, P_ASK)?;
    }
    let has = |name: &str| progs.join(name).exists();
    for (name, _) in attach::hooks(tier, can_skip, &has).iter().filter(|(name, _)| *name != P_ASK) {
        put(&mut ebpf, tier, &own(name), progs, name)?;
    }
    // Gate C: without `bpf_send_signal` (5.3+) there is none.
    for name in [P_SYS_ENTER, P_SYS_EXIT].into_iter().filter(|_| prog::can_signal()) {
        put(&mut ebpf, tier, &own(name), progs, name)?;
    }
    Ok(())
}
