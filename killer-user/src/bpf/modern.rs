//! The first object: tiers witnessed and typed, for kernels with BTF.

use std::path::Path;

use aya::programs::{BtfTracePoint, Iter, Lsm, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use killer_common::names::*;

use super::kfunc;
use super::maps::Limits;
use super::object::{chain, pinned, pinned_once, program, refused};
use super::sweep;
use crate::keep::KeepError;
use crate::kernel::btf;
use crate::sys::lack::Lack;
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
    let (mut ebpf, btf) = object(&tmp.join("maps"), offsets, witness)?;
    let progs = tmp.join("progs");
    // First, because it is the one that may be refused.
    if witness {
        for (name, hook) in WITNESS {
            let p: &mut Lsm = program(&mut ebpf, name)?;
            p.load(hook, &btf).map_err(|e| refused(name, &e))?;
            pinned(name, p.pin(progs.join(name)))?;
        }
    }
    let second: &[(&str, &str)] = if offsets.skips { &SECOND_LOOKS } else { &[] };
    for (name, tp) in HOOKS.iter().chain(second).chain(&[(P_SIGNAL, "signal_generate")]) {
        let p: &mut BtfTracePoint = program(&mut ebpf, name)?;
        p.load(tp, &btf).map_err(|e| refused(name, &e))?;
        pinned(name, p.pin(progs.join(name)))?;
    }
    for name in [P_CTL, P_SYS_ENTER, P_SYS_EXIT] {
        let p: &mut RawTracePoint = program(&mut ebpf, name)?;
        p.load().map_err(|e| refused(name, &e))?;
        pinned(name, p.pin(progs.join(name)))?;
    }
    dispensable(&mut ebpf, &progs)?;
    sweep::load(tmp, offsets);
    if offsets.skips && !witness {
        orphans(&mut ebpf, &progs, &btf)?;
    }
    if !offsets.walks {
        return Err(KeepError::Kernel("iterators over tasks: it is older than Linux 5.8".into()));
    }
    if offsets.skips {
        // What is skipped is mended by it.
        later(&mut ebpf, &progs, &btf, P_WALK)?;
    }
    Ok(())
}

/// Programs that are loaded when they are needed: verifying them is half of what loading takes.
pub(super) const LATER: [&str; 4] = [P_WALK, P_EDGE, P_ENDED, P_CHILDREN];

/// Loads and pins those of [`LATER`] that are named, into the tracker in `v`.
pub(super) fn load_later(
    v: &Path,
    offsets: &btf::Offsets,
    witness: bool,
    names: &[&str],
) -> Result<(), KeepError> {
    let (mut ebpf, btf) = object(&v.join("maps"), offsets, witness)?;
    names.iter().try_for_each(|name| later(&mut ebpf, &v.join("progs"), &btf, name))
}

fn later(ebpf: &mut Ebpf, progs: &Path, btf: &Btf, name: &str) -> Result<(), KeepError> {
    let tp = match name {
        P_WALK => {
            let walk: &mut Iter = program(ebpf, P_WALK)?;
            walk.load("task", btf).map_err(|e| refused(P_WALK, &e))?;
            return pinned_once(name, walk.pin(progs.join(name)));
        }
        P_CHILDREN if Lack::KernelMemory.asked() => {
            return Err(KeepError::Refused { name: name.into(), why: "KILLER_LACK".into() });
        }
        P_EDGE => "task_newtask",
        _ => "sched_process_exit",
    };
    let p: &mut BtfTracePoint = program(ebpf, name)?;
    p.load(tp, btf).map_err(|e| refused(name, &e))?;
    pinned_once(name, p.pin(progs.join(name)))
}

/// The object with its knobs set, its maps being those of `maps`.
fn object(maps: &Path, offsets: &btf::Offsets, witness: bool) -> Result<(Ebpf, Btf), KeepError> {
    let mut elf = OBJECT.to_vec();
    // KILLER_GATE=C is for tests: as on a kernel before 6.13.
    let kfunc = offsets.send_signal_task.filter(|_| std::env::var_os("KILLER_GATE").is_none_or(|g| g != "C"));
    kfunc::patch(&mut elf, kfunc)
        .ok_or_else(|| KeepError::Damaged("modern.bpf.o (not an ELF object)".into()))?;
    let btf = Btf::from_sys_fs().map_err(|e| KeepError::Kernel(format!("usable BTF: {e}")))?;

    let mut loader = EbpfLoader::new();
    loader.btf(Some(&btf)).default_map_pin_directory(maps);
    for (knob, value) in &offsets.knobs {
        loader.override_global(knob, value, true);
    }
    // For tests: a map that refuses for a moment, or longer.
    let refuse = |what: &str| std::env::var(what).ok().and_then(|n| n.parse().ok()).unwrap_or(0u32);
    let knobs = [
        ("REFUSE_BIRTHS", refuse("KILLER_REFUSE_BIRTHS")),
        ("REFUSE_EXITS", refuse("KILLER_REFUSE_EXITS")),
        ("HAVE_SIGNAL_TASK", u32::from(kfunc.is_some())),
        ("HAVE_CURRENT_BTF", u32::from(offsets.current_btf)),
        ("READS_KERNEL", u32::from(!offsets.current_btf && prog::can_read_kernel())),
        ("WITNESS", u32::from(witness)),
        ("CAN_SKIP", u32::from(offsets.skips)),
        ("ANCESTORS_MOST", Limits::read().ancestors_of_one()),
    ];
    for (knob, value) in &knobs {
        loader.override_global(knob, value, true);
    }
    let ebpf = loader.load(&elf);
    drop(loader);
    let refused = |e| KeepError::Refused { name: "modern.bpf.o".into(), why: chain(&e) };
    Ok((ebpf.map_err(refused)?, btf))
}

/// A refusal of these (before 5.13) costs only the emptying of the log of forks, and claims of missed exits, which
/// cannot be missed there.
fn dispensable(ebpf: &mut Ebpf, progs: &Path) -> Result<(), KeepError> {
    for name in [P_CLEAR, P_REAP] {
        let p: &mut RawTracePoint = program(ebpf, name)?;
        match p.load() {
            Ok(()) => pinned(name, p.pin(progs.join(name)))?,
            Err(e) => log::debug!("{name}: {}", chain(&e)),
        }
    }
    Ok(())
}

/// The program that looks at the children of an ending task, where the kernel takes it: it reads kernel memory by address, which
/// lockdown=confidentiality refuses.
fn orphans(ebpf: &mut Ebpf, progs: &Path, btf: &Btf) -> Result<(), KeepError> {
    let p: &mut BtfTracePoint = program(ebpf, P_ORPHANS)?;
    match p.load("sched_process_exit", btf) {
        Ok(()) => pinned(P_ORPHANS, p.pin(progs.join(P_ORPHANS))),
        Err(e) => {
            log::debug!("{P_ORPHANS}: {}", chain(&e));
            Ok(())
        }
    }
}
