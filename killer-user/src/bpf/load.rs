//! Loading: once per boot. Parses the kernel's BTF, sets the knobs, loads and pins programs and links.

use std::path::Path;

use aya::programs::{BtfTracePoint, Iter, Lsm, Program, ProgramError, RawTracePoint};
use aya::{Btf, EbpfLoader};
use killer_common::names::*;

use super::attach::Links;
use super::maps::{self, Limits};
use super::pins::{self, Paths, Registry, not_permitted};
use super::tracker::Tracker;
use super::{BpfError, What, canary, kfunc};
use crate::kernel::tier::Tier;
use crate::kernel::{btf, probe, witness};
use crate::sys::mem;

/// The eBPF object of this build.
pub static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../killer-ebpf/prebuilt/modern.bpf.o"));

/// Its sha256, as recorded when it was built.
pub fn object_sha256() -> &'static str {
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../killer-ebpf/prebuilt/manifest.toml"))
        .lines()
        .find_map(|l| l.strip_prefix("\"modern.bpf.o\" = \"")?.strip_suffix('"'))
        .unwrap_or("unknown")
}

/// Name of the environment variable that forces a tier.
pub const TIER: &str = "KILLER_TIER";

/// What a failed canary is called, and how often another one is sent.
const CANARY: &str = "the canary";
const CANARIES: u32 = 2;

/// Loads and pins the tracker unless it is there. Holds the registry lock meanwhile.
pub fn up(paths: &Paths) -> Result<bool, BpfError> {
    if !probe::missing_caps().is_empty() {
        return Err(not_permitted("load the tracker"));
    }
    paths.make()?;
    let _lock = Registry::lock(paths)?;
    paths.sweep();
    if paths.version().is_dir() {
        return Ok(false);
    }
    make(paths, &mut |dir| Links::Pins(dir.join("links")), &mut Vec::new()).map(|_| true)
}

/// Tries the tiers out in a place of its own, and leaves nothing: the best one, and what the better ones lack.
pub fn try_out(bpffs: &Path) -> Result<(Tier, Vec<(Tier, String)>), BpfError> {
    let root = bpffs.join(format!("killer-trial-{}", std::process::id()));
    let paths = Paths { root, chosen: true };
    paths.make()?;
    let mut lacks = Vec::new();
    let made = make(&paths, &mut |_| Links::Held(Vec::new()), &mut lacks);
    let tier = made.and_then(|_links| Ok(Tracker::open_in(&paths, &paths.version())?.tier()));
    pins::remove(&paths.root);
    Ok((tier?, lacks))
}

/// The tiers to try, best first.
fn candidates() -> Result<Vec<Tier>, BpfError> {
    match std::env::var(TIER).ok().as_deref() {
        None | Some("") => Ok(Tier::PROGRAMS.to_vec()),
        Some(word) => match Tier::named(word).filter(|t| Tier::PROGRAMS.contains(t)) {
            Some(t) => Ok(vec![t]),
            None => Err(BpfError::Kernel(format!("a tier of programs called '{word}' ({TIER})"))),
        },
    }
}

/// Makes the best tier that passes its canary, with links as `links` says. The registry is locked.
/// What better ones lack goes to `lacks`.
pub(super) fn make(
    paths: &Paths,
    links: &mut dyn FnMut(&Path) -> Links,
    lacks: &mut Vec<(Tier, String)>,
) -> Result<Links, BpfError> {
    let tiers = candidates()?;
    let forced = tiers.len() == 1;
    let offsets = btf::Btf::kernel()
        .map_err(|e| match Path::new(btf::VMLINUX).exists() {
            true => format!("usable BTF: {e}"),
            false => format!("BTF ({} is not there; CONFIG_DEBUG_INFO_BTF)", btf::VMLINUX),
        })
        .and_then(|b| btf::Offsets::read(&b).map_err(|e| format!("a known layout: {e}")));
    let tmp = paths.root.join(format!("tmp-{}", std::process::id()));
    let mut first = None;
    for tier in tiers {
        if tier == Tier::Legacy && !forced && probe::classic_can_lose() {
            // Not a tier here: it would lose births without a trace.
            lacks.push((tier, "classic tracepoints lose events on this kernel".into()));
            continue;
        }
        if tier == Tier::Witnessed && !forced && offsets.as_ref().is_ok_and(|o| o.lsm.is_none()) {
            lacks.push((tier, "this kernel has no BPF LSM (CONFIG_BPF_LSM)".into()));
            continue;
        }
        let mut l = links(&tmp);
        let attempt = |l: &mut Links| {
            build(&tmp, &offsets, tier, l).and_then(|()| {
                if matches!(l, Links::Held(_)) {
                    super::keeper::sign(&tmp)?;
                }
                let t = Tracker::open_in(paths, &tmp)?;
                canary::sing(&t).map_err(|why| BpfError::Refused { name: CANARY.into(), why })?;
                drop(t);
                std::fs::rename(&tmp, paths.version()).what("renaming the pin directory")
            })
        };
        let mut made = attempt(&mut l);
        // On a busy machine a canary can be late; a lesser tier for all of this boot would be a high price.
        for _ in 0..CANARIES {
            match &made {
                Err(BpfError::Refused { name, why }) if name == CANARY => {
                    log::info!("tier {}: {why}", tier.name())
                }
                _ => break,
            }
            pins::remove(&tmp);
            l = links(&tmp);
            made = attempt(&mut l);
        }
        match made {
            Ok(()) => return Ok(l),
            Err(e) => {
                let e = match (e, &offsets) {
                    // It was taken, and does not act: the kernel's or its administrator's doing, not ours.
                    (BpfError::Refused { name, why }, Ok(o)) if tier == Tier::Witnessed && name == CANARY => {
                        witness::acts(o).err().map_or(BpfError::Refused { name, why }, |why| {
                            BpfError::Kernel(format!("a birth witness that acts: {why}"))
                        })
                    }
                    (e, _) => e,
                };
                log::info!("tier {}: {e}", tier.name());
                lacks.push((tier, e.to_string()));
                pins::remove(&tmp);
                if matches!(e, BpfError::NeedsKeeper) {
                    return Err(e);
                }
                // What the better tiers lacked matters less than what the plain one lacks.
                if first.is_none() || tier == Tier::Typed {
                    first = Some(e);
                }
            }
        }
    }
    Err(first.unwrap_or(BpfError::NotLoaded))
}

fn build(
    tmp: &Path,
    offsets: &Result<btf::Offsets, String>,
    tier: Tier,
    links: &mut Links,
) -> Result<(), BpfError> {
    use std::os::unix::fs::DirBuilderExt;
    for d in [tmp, &tmp.join("maps"), &tmp.join("progs"), &tmp.join("links")] {
        std::fs::DirBuilder::new().mode(0o700).create(d).what(format!("mkdir {}", d.display()))?;
    }
    // Before 5.11 BPF memory counts against RLIMIT_MEMLOCK; later this changes nothing.
    let _ = mem::lift_memlock();
    maps::create(&tmp.join("maps"), Limits::read())?;
    let progs = tmp.join("progs");
    let orphans = match (tier, offsets) {
        (Tier::Witnessed | Tier::Typed, Err(_)) if !probe::sys_mounted() => return Err(BpfError::NoSys),
        (Tier::Witnessed | Tier::Typed, Err(lacks)) => return Err(BpfError::Kernel(lacks.clone())),
        (Tier::Witnessed | Tier::Typed, Ok(o)) => modern(tmp, o, tier == Tier::Witnessed)?,
        _ => {
            super::second::load(&tmp.join("maps"), &progs, tier)?;
            false
        }
    };
    links.attach(&progs, tier, orphans)
}

/// Loads and pins the programs of the modern object; answers whether the program that registers orphans was taken.
fn modern(tmp: &Path, offsets: &btf::Offsets, witness: bool) -> Result<bool, BpfError> {
    let mut elf = OBJECT.to_vec();
    // KILLER_GATE=C is for tests: as on a kernel before 6.13.
    let kfunc = offsets.send_signal_task.filter(|_| std::env::var_os("KILLER_GATE").is_none_or(|g| g != "C"));
    kfunc::patch(&mut elf, kfunc)
        .ok_or_else(|| BpfError::Damaged("modern.bpf.o (not an ELF object)".into()))?;
    let btf = Btf::from_sys_fs().map_err(|e| BpfError::Kernel(format!("usable BTF: {e}")))?;

    let have = u32::from(kfunc.is_some());
    let dir = tmp.join("maps");
    let mut loader = EbpfLoader::new();
    loader.btf(Some(&btf)).default_map_pin_directory(&dir);
    for (knob, value) in &offsets.knobs {
        loader.override_global(knob, value, true);
    }
    let current = u32::from(offsets.current_btf);
    let witnessed = u32::from(witness);
    // For tests: a map that refuses for a moment, or longer.
    let refuse = |what: &str| std::env::var(what).ok().and_then(|n| n.parse().ok()).unwrap_or(0u32);
    let (births, exits) = (refuse("KILLER_REFUSE_BIRTHS"), refuse("KILLER_REFUSE_EXITS"));
    loader.override_global("REFUSE_BIRTHS", &births, true);
    loader.override_global("REFUSE_EXITS", &exits, true);
    loader.override_global("HAVE_SIGNAL_TASK", &have, true);
    loader.override_global("HAVE_CURRENT_BTF", &current, true);
    loader.override_global("WITNESS", &witnessed, true);
    let share = Limits::read().ancestors_of_one();
    loader.override_global("ANCESTORS_MOST", &share, true);
    let mut ebpf =
        loader.load(&elf).map_err(|e| BpfError::Refused { name: "modern.bpf.o".into(), why: chain(&e) })?;

    let progs = tmp.join("progs");
    // First, because it is the one that may be refused.
    if witness {
        for (name, hook) in WITNESS {
            let p: &mut Lsm = program(&mut ebpf, name)?;
            p.load(hook, &btf).map_err(|e| refused(name, &e))?;
            p.pin(progs.join(name)).map_err(|e| BpfError::Refused { name: name.into(), why: chain(&e) })?;
        }
    }
    for (name, tp) in HOOKS {
        let p: &mut BtfTracePoint = program(&mut ebpf, name)?;
        p.load(tp, &btf).map_err(|e| refused(name, &e))?;
        p.pin(progs.join(name)).map_err(|e| BpfError::Refused { name: name.into(), why: chain(&e) })?;
    }
    for name in [P_CTL, P_SYS_ENTER, P_SYS_EXIT] {
        let p: &mut RawTracePoint = program(&mut ebpf, name)?;
        p.load().map_err(|e| refused(name, &e))?;
        p.pin(progs.join(name)).map_err(|e| BpfError::Refused { name: name.into(), why: chain(&e) })?;
    }
    // A refusal of these (before 5.13) costs only the emptying of the log of forks, and claims of missed exits, which
    // cannot be missed there.
    for name in [P_CLEAR, P_SWEEP] {
        let p: &mut RawTracePoint = program(&mut ebpf, name)?;
        match p.load() {
            Ok(()) => p
                .pin(progs.join(name))
                .map_err(|e| BpfError::Refused { name: name.into(), why: chain(&e) })?,
            Err(e) => log::debug!("{name}: {}", chain(&e)),
        }
    }
    let mut orphans = false;
    if !witness {
        let p: &mut BtfTracePoint = program(&mut ebpf, P_ORPHANS)?;
        match p.load("sched_process_exit", &btf) {
            Ok(()) => {
                p.pin(progs.join(P_ORPHANS))
                    .map_err(|e| BpfError::Refused { name: P_ORPHANS.into(), why: chain(&e) })?;
                orphans = true;
            }
            Err(e) => log::debug!("{P_ORPHANS}: {}", chain(&e)),
        }
    }
    let walk: &mut Iter = program(&mut ebpf, P_WALK)?;
    walk.load("task", &btf).map_err(|e| refused(P_WALK, &e))?;
    walk.pin(progs.join(P_WALK)).map_err(|e| BpfError::Refused { name: P_WALK.into(), why: chain(&e) })?;

    Ok(orphans)
}

pub(super) fn program<'a, P>(ebpf: &'a mut aya::Ebpf, name: &str) -> Result<&'a mut P, BpfError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let p = ebpf.program_mut(name).ok_or_else(|| BpfError::Damaged(format!("{name} (not in the object)")))?;
    p.try_into().map_err(|e| refused(name, &e))
}

pub(super) fn refused(name: &str, e: &ProgramError) -> BpfError {
    if let ProgramError::LoadError { io_error, verifier_log } = e {
        if io_error.raw_os_error() == Some(libc::EPERM) {
            return not_permitted("load BPF programs");
        }
        log::debug!("{name}: {io_error}\n{verifier_log}");
        let text = verifier_log.to_string();
        if name == P_WALK && io_error.raw_os_error() == Some(libc::EINVAL) && text.trim().is_empty() {
            return BpfError::Kernel("iterators over tasks: it is older than Linux 5.8".into());
        }
        // The last lines are the verifier's own figures (`kernel/bpf/verifier.c:print_verification_stats`).
        let figures = ["verification time", "stack depth", "processed "];
        let said = |l: &&str| !l.trim().is_empty() && !figures.iter().any(|f| l.starts_with(f));
        let tail: Vec<&str> = text.lines().rev().filter(said).take(3).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return BpfError::Refused { name: name.into(), why: format!("{io_error}: {}", tail.join(" / ")) };
    }
    BpfError::Refused { name: name.into(), why: chain(e) }
}

pub(super) fn chain(e: &dyn std::error::Error) -> String {
    let mut s = e.to_string();
    let mut e = e.source();
    while let Some(x) = e {
        s = format!("{s}: {x}");
        e = x.source();
    }
    s
}
