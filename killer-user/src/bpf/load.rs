//! Loading: once per boot. Tries the tiers, best first, until one's canary sings.

use std::path::Path;

use super::attach::Links;
use super::maps::{self, Limits};
use super::pins::{self, Paths, PinLock, not_permitted};
use super::programs::{Programs, namespace};
use super::{canary, modern, second, sign};
use crate::keep::{Keep, KeepError, What};
use crate::kernel::tier::Tier;
use crate::kernel::{btf, probe, witness};
use crate::sys::limits;

/// Name of the environment variable that forces a tier.
pub const TIER: &str = "KILLER_TIER";

/// What a failed canary is called, and how often another one is sent.
const CANARY: &str = "the canary";
const CANARIES: u32 = 2;

/// Loads and pins the tracker unless it is there. Holds the registry lock meanwhile.
pub fn up(paths: &Paths) -> Result<bool, KeepError> {
    place(paths)?;
    let _lock = PinLock::take(paths)?;
    paths.sweep();
    if paths.version().is_dir() {
        return Ok(false);
    }
    make(paths, &mut |dir| Links::Pins(dir.join("links")), &mut Vec::new()).map(|_| true)
}

/// What comes before everything else: the privileges, and the place of the pins, which is made.
pub(super) fn place(paths: &Paths) -> Result<(), KeepError> {
    if !probe::missing_caps().is_empty() {
        return Err(not_permitted("load the tracker"));
    }
    paths.make()
}

/// Does what [`up`] does with tiers in a place of its own beside the pins, and leaves nothing: the best one, and what the better
/// ones lack.
pub fn try_out(paths: &Paths) -> Result<(Tier, Vec<(Tier, String)>), KeepError> {
    namespace()?;
    pins::in_host_mounts(paths, || {
        pins::on_trial(paths, || {
            let fresh = !paths.root.exists();
            let tried = place(paths).and_then(|()| try_beside(&paths.root));
            if fresh {
                // Only an empty directory goes.
                let _ = std::fs::remove_dir(&paths.root);
            }
            tried
        })
    })
}

fn try_beside(root: &Path) -> Result<(Tier, Vec<(Tier, String)>), KeepError> {
    let paths = Paths { root: root.join(format!("{}{}", pins::TRIAL, std::process::id())), chosen: true };
    paths.make()?;
    let mut lacks = Vec::new();
    let made = make(&paths, &mut |_| Links::Held(Vec::new()), &mut lacks);
    let tier = made.and_then(|_links| Ok(Programs::open_in(&paths, &paths.version())?.tier()));
    pins::remove(&paths.root);
    Ok((tier?, lacks))
}

/// The tiers to try, best first.
fn candidates() -> Result<Vec<Tier>, KeepError> {
    match std::env::var(TIER).ok().as_deref() {
        None | Some("") => Ok(Tier::PROGRAMS.to_vec()),
        Some(word) => match Tier::named(word).filter(|t| Tier::PROGRAMS.contains(t)) {
            Some(t) => Ok(vec![t]),
            None => Err(KeepError::Kernel(format!("a tier of programs called '{word}' ({TIER})"))),
        },
    }
}

/// Makes the best tier that passes its canary, with links as `links` says. The registry is locked.
/// What better ones lack goes to `lacks`.
pub(super) fn make(
    paths: &Paths,
    links: &mut dyn FnMut(&Path) -> Links,
    lacks: &mut Vec<(Tier, String)>,
) -> Result<Links, KeepError> {
    let tiers = candidates()?;
    let forced = tiers.len() == 1;
    let offsets = offsets();
    let tmp = paths.root.join(format!("tmp-{}", std::process::id()));
    let mut first = None;
    for tier in tiers {
        if let Some(why) = pointless(tier, &offsets).filter(|_| !forced) {
            lacks.push((tier, why));
            continue;
        }
        let e = match patiently(paths, &tmp, &offsets, tier, links) {
            Ok(l) => return Ok(l),
            Err(e) => e,
        };
        log::info!("tier {}: {e}", tier.name());
        lacks.push((tier, e.to_string()));
        pins::remove(&tmp);
        if matches!(e, KeepError::NeedsKeeper) {
            return Err(e);
        }
        // What the better tiers lacked matters less than what the plain one lacks.
        if first.is_none() || tier == Tier::Typed {
            first = Some(e);
        }
    }
    Err(first.unwrap_or(KeepError::NotLoaded))
}

pub(super) type Offsets = Result<btf::Offsets, String>;

/// Where this kernel has what the programs read; else what it lacks.
pub(super) fn offsets() -> Offsets {
    let kernel = btf::Btf::kernel().map_err(|e| match Path::new(btf::VMLINUX).exists() {
        true => format!("usable BTF: {e}"),
        false => format!("BTF ({} is not there; CONFIG_DEBUG_INFO_BTF)", btf::VMLINUX),
    })?;
    btf::Offsets::read(&kernel).map_err(|e| format!("a known layout: {e}"))
}

/// The same, with an error that says what to do.
pub(super) fn layout() -> Result<btf::Offsets, KeepError> {
    offsets().map_err(lacking)
}

fn lacking(what: String) -> KeepError {
    if probe::sys_mounted() { KeepError::Kernel(what) } else { KeepError::NoSys }
}

/// Why a tier is not even tried here, unless it is the one that was asked for.
fn pointless(tier: Tier, offsets: &Offsets) -> Option<String> {
    match tier {
        // Not a tier here: it would lose births without a trace.
        Tier::Legacy if probe::classic_can_lose() => {
            Some("classic tracepoints lose events on this kernel".into())
        }
        Tier::Witnessed => offsets.as_ref().ok().and_then(|o| witness::loads(o).err()),
        _ => None,
    }
}

/// Makes a tier, more than once where only its canary fails: on a busy machine a canary can be late, and a lesser tier
/// for all of this boot would be a high price. A witness that this kernel does not let act is told by a program of its own, and
/// not loaded again.
fn patiently(
    paths: &Paths,
    tmp: &Path,
    offsets: &Offsets,
    tier: Tier,
    links: &mut dyn FnMut(&Path) -> Links,
) -> Result<Links, KeepError> {
    let mut left = CANARIES;
    loop {
        let mut l = links(tmp);
        match attempt(paths, tmp, offsets, tier, &mut l).map_err(|e| inert(e, tier, offsets)) {
            Ok(()) => return Ok(l),
            Err(KeepError::Refused { name, why }) if name == CANARY && left > 0 => {
                log::info!("tier {}: {why}", tier.name());
                pins::remove(tmp);
                left -= 1;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Makes a tier, and lets its canary sing before anybody sees it.
fn attempt(
    paths: &Paths,
    tmp: &Path,
    offsets: &Offsets,
    tier: Tier,
    links: &mut Links,
) -> Result<(), KeepError> {
    build(tmp, offsets, tier, links)?;
    if matches!(links, Links::Held(_)) {
        sign::note(tmp)?;
    }
    let t = Programs::open_in(paths, tmp)?;
    canary::sing(&t).map_err(|why| KeepError::Refused { name: CANARY.into(), why })?;
    drop(t);
    std::fs::rename(tmp, paths.version()).what("renaming the pin directory")
}

/// A witness that was taken and does not act: the kernel's or its administrator's doing, not ours.
fn inert(e: KeepError, tier: Tier, offsets: &Offsets) -> KeepError {
    match (e, offsets) {
        (KeepError::Refused { name, why }, Ok(o)) if tier == Tier::Witnessed && name == CANARY => {
            witness::acts(o).err().map_or(KeepError::Refused { name, why }, |why| {
                KeepError::Kernel(format!("a birth witness that acts: {why}"))
            })
        }
        (e, _) => e,
    }
}

fn build(tmp: &Path, offsets: &Offsets, tier: Tier, links: &mut Links) -> Result<(), KeepError> {
    use std::os::unix::fs::DirBuilderExt;
    for d in [tmp, &tmp.join("maps"), &tmp.join("progs"), &tmp.join("links")] {
        std::fs::DirBuilder::new().mode(0o700).create(d).what(format!("mkdir {}", d.display()))?;
    }
    // Before 5.11 BPF memory counts against RLIMIT_MEMLOCK; later this changes nothing.
    let _ = limits::lift_memlock();
    let known = offsets.as_ref().ok().filter(|_| tier.by_btf());
    let of = maps::Programs { by_btf: known.is_some(), take_memory: known.is_some_and(|o| o.takes_memory) };
    maps::create(&tmp.join("maps"), Limits::read(), of)?;
    let progs = tmp.join("progs");
    let can_skip = offsets.as_ref().map_or_else(|_| probe::can_skip(), |o| o.skips);
    match (tier, offsets) {
        (Tier::Witnessed | Tier::Typed, Err(lacks)) => return Err(lacking(lacks.clone())),
        (Tier::Witnessed | Tier::Typed, Ok(o)) => modern::load(tmp, o, tier == Tier::Witnessed)?,
        _ => second::load(&tmp.join("maps"), &progs, tier, can_skip)?,
    }
    links.attach(&progs, tier, can_skip)
}
