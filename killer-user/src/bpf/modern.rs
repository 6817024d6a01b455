//! The first object: tiers witnessed and typed, for kernels with BTF.

use std::path::Path;

use killer_common::names::*;

use super::kfunc;
use super::loader::{self, Knob, Object};
use super::maps::Limits;
use super::sweep;
use super::together::{self, Job};
use crate::keep::KeepError;
use crate::kernel::btf;
use crate::sys::bpf::For;
use crate::sys::prog;

/// The eBPF object of this build.
pub static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/modern.bpf.o"));

/// Its sha256, as recorded when it was built.
pub fn object_sha256() -> &'static str {
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/manifest.toml"))
        .lines()
        .find_map(|l| l.strip_prefix("\"modern.bpf.o\" = \"")?.strip_suffix('"'))
        .unwrap_or("unknown")
}

/// Loads and pins the programs in `tmp`.
pub(super) fn load(tmp: &Path, offsets: &btf::Offsets, witness: bool) -> Result<(), KeepError> {
    if offsets.hook("bpf_iter_task").is_none() {
        return Err(KeepError::Kernel("iterators over tasks: it is older than Linux 5.8".into()));
    }
    let object = &object(&tmp.join("maps"), offsets, witness)?;
    let progs = &*tmp.join("progs");
    // First, because it is the one that may be refused.
    if witness {
        for (name, hook) in WITNESS {
            object.put(progs, name, loader::security(offsets, hook)?)?;
        }
    }
    let mut jobs: Vec<(&str, Job<'_>)> = Vec::new();
    for (name, tp) in HOOKS.iter().chain(second_looks(offsets)).chain(&[(P_SIGNAL, "signal_generate")]) {
        let at = loader::tracepoint(offsets, tp)?;
        jobs.push((name, Box::new(move || object.put(progs, name, at))));
    }
    for name in [P_CTL, P_SYS_ENTER, P_SYS_EXIT] {
        jobs.push((name, Box::new(move || object.put(progs, name, For::Raw))));
    }
    // Without these (before 5.13) the log of forks is not emptied, and exits that were missed are not claimed, which cannot be
    // missed there.
    for name in [P_CLEAR, P_REAP] {
        jobs.push((name, Box::new(move || dispensable(name, object.put(progs, name, For::Raw)))));
    }
    jobs.push((
        P_SWEEP,
        Box::new(move || {
            sweep::load(tmp, offsets);
            Ok(())
        }),
    ));
    if offsets.skips && !witness {
        jobs.push((P_ORPHANS, Box::new(move || orphans(object, progs, offsets))));
    }
    if offsets.skips {
        // What is skipped is mended by it.
        jobs.push((P_WALK, Box::new(move || later(object, progs, offsets, P_WALK))));
    }
    // The longest ones first, so that none is left for the end.
    jobs.sort_by_key(|(name, _)| LONG.iter().position(|l| l == name).unwrap_or(LONG.len()));
    let jobs: Vec<Job<'_>> = jobs.into_iter().map(|(_, job)| job).collect();
    together::all(&jobs)
}

fn second_looks(offsets: &btf::Offsets) -> &'static [(&'static str, &'static str)] {
    if offsets.skips { &SECOND_LOOKS } else { &[] }
}

/// Programs whose verification takes long, the longest one first.
const LONG: [&str; 8] = [P_WALK, P_NEWTASK, P_FORK, P_FORK2, P_CTL, P_SWEEP, P_EXIT, P_EXEC];

/// Programs that are loaded when they are needed: verifying them is half of what loading takes.
pub(super) const LATER: [&str; 4] = [P_WALK, P_EDGE, P_ENDED, P_CHILDREN];

/// Loads and pins those of [`LATER`] that are named, into the tracker in `v`.
pub(super) fn load_later(
    v: &Path,
    offsets: &btf::Offsets,
    witness: bool,
    names: &[&str],
) -> Result<(), KeepError> {
    let object = &object(&v.join("maps"), offsets, witness)?;
    let progs = &*v.join("progs");
    let job = |name| -> Job<'_> { Box::new(move || later(object, progs, offsets, name)) };
    let jobs: Vec<Job<'_>> = names.iter().copied().map(job).collect();
    together::all(&jobs)
}

fn later(object: &Object, progs: &Path, offsets: &btf::Offsets, name: &str) -> Result<(), KeepError> {
    let what = match name {
        P_WALK => loader::tasks(offsets)?,
        P_CHILDREN if !prog::can_read_kernel() => {
            let why = "no program may read the kernel's memory by address".into();
            return Err(KeepError::Refused { name: name.into(), why });
        }
        P_EDGE => loader::tracepoint(offsets, "task_newtask")?,
        _ => loader::tracepoint(offsets, "sched_process_exit")?,
    };
    object.put(progs, name, what)
}

/// The object with its knobs set, its maps being those of `maps`.
fn object(maps: &Path, offsets: &btf::Offsets, witness: bool) -> Result<Object, KeepError> {
    let mut elf = OBJECT.to_vec();
    // KILLER_GATE=C is for tests: as on a kernel before 6.13.
    let kfunc = offsets.send_signal_task.filter(|_| std::env::var_os("KILLER_GATE").is_none_or(|g| g != "C"));
    kfunc::patch(&mut elf, kfunc)
        .ok_or_else(|| KeepError::Damaged("modern.bpf.o (not an ELF object)".into()))?;
    // For tests: a map that refuses for a moment, or longer.
    let refuse = |what: &str| std::env::var(what).ok().and_then(|n| n.parse().ok()).unwrap_or(0u32);
    let ours = [
        ("REFUSE_BIRTHS", refuse("KILLER_REFUSE_BIRTHS")),
        ("REFUSE_EXITS", refuse("KILLER_REFUSE_EXITS")),
        ("HAVE_SIGNAL_TASK", u32::from(kfunc.is_some())),
        ("HAVE_CURRENT_BTF", u32::from(offsets.current_btf)),
        ("READS_KERNEL", u32::from(!offsets.current_btf && prog::can_read_kernel())),
        ("WITNESS", u32::from(witness)),
        ("CAN_SKIP", u32::from(offsets.skips)),
        ("ANCESTORS_MOST", Limits::read().ancestors_of_one()),
    ];
    let knobs: Vec<Knob<'_>> =
        offsets.knobs.iter().chain(&ours).map(|&(name, value)| Knob { name, value, must: true }).collect();
    Object::new("modern.bpf.o", &elf, maps, &knobs)
}

/// That it was refused is noted, and is no error.
fn dispensable(name: &str, put: Result<(), KeepError>) -> Result<(), KeepError> {
    if let Err(e) = put {
        log::debug!("{name}: {e}");
    }
    Ok(())
}

/// The program that looks at the children of an ending task, where the kernel takes it: it reads kernel memory by address, which
/// lockdown=confidentiality refuses. It is not tried where it is known to be refused.
fn orphans(object: &Object, progs: &Path, offsets: &btf::Offsets) -> Result<(), KeepError> {
    if !prog::can_read_kernel() {
        log::debug!("{P_ORPHANS}: no program may read the kernel's memory by address");
        return Ok(());
    }
    let exits = loader::tracepoint(offsets, "sched_process_exit")?;
    dispensable(P_ORPHANS, object.put(progs, P_ORPHANS, exits))
}
