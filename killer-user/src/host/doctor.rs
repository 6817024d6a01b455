//! `doctor`: what this kernel can do, and what that means; what neither this kernel nor its tier has is not spoken of.

mod checks;
mod namesake;

use std::path::Path;

use super::failure::Failure;
use super::unnamed;
use crate::keep::KeepError;
use crate::kernel::tier::{Here, Tier};
use crate::kernel::{btf, probe, witness};
use crate::lookup::registry;
use crate::report::human;
use crate::report::message::plain;
use crate::report::model::{Check, Doctor, SCHEMA_VERSION};
use crate::tier::{Paths, Tracker, object_sha256};
use checks::check;

/// Why it is no better tier where the caller has chosen it.
const ASKED: &str = "KILLER_TIER asks for this one";
/// The same where it is the best.
const NONE: &str = "there is none";

/// The tier in use, or the one that would come, and why it is no better one.
fn tier(paths: &Paths, offsets: &Result<btf::Offsets, btf::BtfError>) -> (Tier, String) {
    let open = Tracker::open(paths);
    if Tracker::is_forced() {
        let tier = open.map_or_else(|_| Tracker::without_programs(), |t| t.tier());
        return (tier, ASKED.into());
    }
    let (tier, better) = match open {
        Ok(t) => (t.tier(), in_use(&t, offsets)),
        // Nothing is loaded: it is done in a place of its own what would be done.
        Err(KeepError::NotLoaded) => match Tracker::promised(paths) {
            Ok(p) => (p.tier, p.better.unwrap_or_else(|| NONE.into())),
            Err(e) => (Tracker::without_programs(), e.to_string()),
        },
        Err(e) => (Tracker::without_programs(), e.to_string()),
    };
    match tier {
        Tier::Witnessed => (tier, NONE.into()),
        t if Tracker::asked() == Some(t) => (tier, ASKED.into()),
        _ => (tier, plain(&better)),
    }
}

/// Why what is loaded is no better one.
fn in_use(t: &Tracker, offsets: &Result<btf::Offsets, btf::BtfError>) -> String {
    if let Some(better) = t.better().filter(|_| t.tier().is_without_programs()) {
        return better.to_owned();
    }
    match offsets.as_ref().map_or_else(|_| Err("this kernel has no usable BTF".to_owned()), witness::acts) {
        Err(why) => why,
        Ok(()) => "the tracker was loaded when the birth witness was silent, or with KILLER_TIER set".into(),
    }
}

/// This kernel, and what is guaranteed on it.
pub fn doctor() -> Doctor {
    let paths = Paths::default();
    let missing = probe::missing_caps();
    let host_ns = probe::in_initial_pid_ns().unwrap_or(false);
    let offsets = btf::Btf::kernel().and_then(|b| btf::Offsets::read(&b));
    let near = paths.root.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let (tier, why_not_better) = tier(&paths, &offsets);

    let mut c =
        vec![checks::privileges(tier, &missing), checks::proc(), checks::pid_namespace(tier, host_ns)];
    if !Tracker::is_forced() {
        c.extend(checks::btf(tier, &offsets));
        c.extend(checks::bpffs(tier, near));
    }
    c.extend(checks::lockdown(tier));
    if !tier.is_without_programs() {
        c.extend(checks::programs(tier, offsets.as_ref().ok()));
    } else if tier == Tier::Named || !Tracker::is_forced() {
        c.push(checks::named());
    }
    c.extend(checks::reaper());
    c.extend(namesake::namesake());
    let others = paths.others();
    if !others.is_empty() {
        c.push(check(
            "other versions",
            "warn",
            format!("there are pins of {} at {}", others.join(", "), paths.root.display()),
            Some("this killer does not see their services; that version's 'down' ends them"),
        ));
    }
    c.push(tracker(&paths, tier));
    let tracker = Tracker::open(&paths).ok();
    c.extend(tracker.as_ref().and_then(checks::rules));
    c.extend(tracker.as_ref().and_then(checks::recorder));
    let here = Here::of(tier, offsets.as_ref().ok());
    let words = tier.guarantees(&here).into_iter().map(String::from);
    let limits = tier.limits(&here).into_iter().map(|s| format!("not promised: {s}"));
    Doctor {
        version: SCHEMA_VERSION,
        kind: "doctor",
        kernel: probe::release(),
        tier: tier.name().into(),
        guarantees: words.chain(limits).collect(),
        why_not_better,
        object_sha256: (!tier.is_without_programs()).then(|| object_sha256().into()),
        checks: c,
        host_reasons: Tracker::open(&paths).map_or(Vec::new(), |t| unnamed::reasons(&t)),
    }
}

fn tracker(paths: &Paths, tier: Tier) -> Check {
    match Tracker::open(paths) {
        Ok(t) => {
            let h = t.hooks().map(|h| h.health()).unwrap_or_default();
            let n = registry::all(&t).len() as u64;
            if t.tier().is_without_programs() {
                let text = format!(
                    "this tier loads none; {} in a registry of files",
                    human::count(n, "service", "services")
                );
                return check("tracker", "ok", text, None);
            }
            let at = paths.version();
            if n == 0 && t.hooks().is_some_and(|h| h.rest()) {
                let first = "its hooks are attached by the first 'run', 'adopt' or rule";
                return check("tracker", "ok", format!("loaded at {}; {first}", at.display()), None);
            }
            if !h.missing_links.is_empty() {
                let hint = "'killer down --force', then start the services again";
                let text = format!("links are gone: {}", h.missing_links.join(", "));
                return check("tracker", "fail", text, Some(hint));
            }
            if h.misses != 0 {
                return check(
                    "tracker",
                    "warn",
                    format!("loaded at {}; the kernel skipped {} hook runs", at.display(), h.misses),
                    None,
                );
            }
            if h.limits_raised {
                return check(
                    "tracker",
                    "warn",
                    "loaded, but pid_max or threads-max was raised since",
                    Some("'killer down' and 'killer up' when nothing is tracked"),
                );
            }
            check(
                "tracker",
                "ok",
                format!(
                    "loaded at {}, {} tracked, no hook was ever skipped",
                    at.display(),
                    human::count(n, "service", "services")
                ),
                None,
            )
        }
        Err(KeepError::NotLoaded) => {
            if let Err(f) = super::unseen::lost() {
                let text = format!("{}; {}", f.what, f.why.unwrap_or_default());
                return check("tracker", "fail", text, f.next.as_deref());
            }
            let text = match tier.is_without_programs() {
                true => "this tier loads none; the first 'run' or 'adopt' makes a registry of files",
                false => "it is not loaded; the first 'run', 'adopt' or 'up' loads it",
            };
            check("tracker", "ok", text, None)
        }
        Err(e) => {
            let f = Failure::from(e);
            check("tracker", "fail", format!("{}: {}", f.what, f.why.unwrap_or_default()), f.next.as_deref())
        }
    }
}
