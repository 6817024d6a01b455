//! `metrics`: every figure of the tracker.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::failure::Failure;
use super::open::Host;
use super::{certainty, elsewhere, exact, unnamed, unseen};
use crate::ending::Ending;
use crate::keep::Hooks;
use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, registry};
use crate::report::metrics::{Family, Kind, text};
use crate::tier::Tracker;

type Sample = (Vec<(&'static str, String)>, f64);

/// All figures, as text.
pub fn metrics() -> Result<String, Failure> {
    figures().map(|(text, _)| text)
}

/// The same, and whether a tracker is loaded.
pub fn figures() -> Result<(String, bool), Failure> {
    let mut families = vec![family("killer_build_info", "This program.", Kind::Gauge)];
    families[0].samples.push((vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0));
    let host = Host::open()?;
    let mut up = family("killer_tracker_loaded", "1 while there is a tracker.", Kind::Gauge);
    up.samples.push((vec![], if host.is_some() { 1.0 } else { 0.0 }));
    families.push(up);
    if let Some(host) = &host {
        let (others, _) = elsewhere::trackers(host)?;
        let all: Vec<&Tracker> = std::iter::once(&**host).chain(others.iter().map(|o| &**o)).collect();
        families.extend(services(&all));
        families.extend(hooks(host));
        families.extend(rules(host));
        families.extend(recorder(host)?);
        all.iter().try_for_each(|t| certainty::sound(t))?;
    }
    unseen::incomplete(&unseen::versions()).map_or(Ok(()), Err)?;
    Ok((text(&families), host.is_some()))
}

/// The same into a file, which is there whole or as it was before: for the textfile collector of node_exporter.
pub fn write(path: &Path) -> Result<(), Failure> {
    let all = metrics()?;
    let failed = |e: std::io::Error| {
        Failure::new(Ending::Failed, format!("{} could not be written", path.display()))
            .why(e.to_string())
            .next("give a file in a directory that exists and that this user may write")
    };
    let name = path.file_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    // Collectors take what ends in `.prom`.
    let tmp = path.with_file_name(format!("{}.{}", name.to_string_lossy(), std::process::id()));
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&tmp);
    let done = made.and_then(|mut f| {
        f.write_all(all.as_bytes())?;
        std::fs::rename(&tmp, path)
    });
    done.map_err(|e| {
        let _ = std::fs::remove_file(&tmp);
        failed(e)
    })
}

/// The recorder, where something is recorded.
fn recorder(t: &Tracker) -> Result<Vec<Family>, Failure> {
    let Some(records) = t.records() else { return Ok(Vec::new()) };
    let Some(r) = records.recording()? else { return Ok(Vec::new()) };
    let mut nodes =
        family("killer_recorder_nodes", "Processes that are recorded, alive or not.", Kind::Gauge);
    nodes.samples.push((vec![], records.nodes()?.len() as f64));
    let mut lost = family("killer_recorder_lost_total", "What the recorder has left out.", Kind::Counter);
    let f = &r.figures;
    let counts = [
        ("forks", f.lost_nodes),
        ("execs", f.lost_execs),
        ("ends", f.lost_ends),
        ("senders", f.lost_senders),
        ("skipped", r.skipped),
        ("skipped-signals", r.unheard),
    ];
    for (what, n) in counts {
        lost.samples.push((vec![("what", what.to_owned())], n as f64));
    }
    Ok(vec![nodes, lost])
}

fn family(name: &'static str, help: &'static str, kind: Kind) -> Family {
    Family { name, help, kind, samples: Vec::new() }
}

fn of_service(name: &str) -> Vec<(&'static str, String)> {
    vec![("service", name.to_owned())]
}

fn services(all: &[&Tracker]) -> Vec<Family> {
    use Kind::{Counter, Gauge};
    let mut tiers = family("killer_tier_info", "What keeps the services.", Gauge);
    let mut tasks = family("killer_service_tasks", "Tasks alive, by the kernel's count.", Gauge);
    let mut processes = family("killer_service_processes", "Processes alive.", Gauge);
    let mut born = family("killer_service_processes_total", "Processes ever.", Counter);
    let mut denied =
        family("killer_service_denied_total", "Forks denied, or newborns ended, by a gate.", Counter);
    let mut errors = family("killer_service_errors_total", "Operations on maps that failed.", Counter);
    let mut misses =
        family("killer_service_late_births_total", "Births that only a later hook has seen.", Counter);
    let mut exact = family("killer_service_exact", "1: no way to be wrong was noticed.", Gauge);
    let mut reasons =
        family("killer_service_reasons_total", "Reasons why the set may not be exact.", Counter);
    let mut frozen = family("killer_service_frozen", "1 while it is held still.", Gauge);
    let mut started = family("killer_service_age_seconds", "Since it was started.", Gauge);
    for t in all {
        tiers.samples.push((vec![("tier", t.tier().name().to_owned())], 1.0));
        for r in registry::all(t) {
            let pops: Vec<_> = registry::places(t, &r).iter().map(|s| t.pop(s.slot)).collect();
            let sum = |of: fn(&killer_common::record::Pop) -> u64| pops.iter().map(of).sum::<u64>() as f64;
            let put = |f: &mut Family, n: f64| f.samples.push((of_service(&r.name), n));
            put(&mut tasks, pops.iter().map(|p| p.pop).sum::<i64>() as f64);
            put(&mut processes, Lineage::new(t, r.clone()).listed().len() as f64);
            put(&mut born, sum(|p| p.processes));
            put(&mut denied, sum(|p| p.denied));
            put(&mut errors, sum(|p| p.errors));
            put(&mut misses, sum(|p| p.misses));
            put(&mut frozen, f64::from(u8::from(registry::frozen(t, r.slot.slot).is_some())));
            put(&mut started, super::models::seconds_since(r.record.born) as f64);
            let doubts = doubts(t, &r);
            put(&mut exact, f64::from(u8::from(doubts.is_empty())));
            reasons.samples.extend(doubts);
        }
    }
    vec![tiers, tasks, processes, born, denied, errors, misses, exact, reasons, frozen, started]
}

/// Reasons against a service.
fn doubts(t: &Tracker, r: &Root) -> Vec<Sample> {
    let one = |c: exact::Counted| {
        let mut labels = of_service(&r.name);
        labels.push(("code", c.code.to_owned()));
        (labels, c.count as f64)
    };
    exact::reasons(t, r).into_iter().map(one).collect()
}

fn hooks(t: &Tracker) -> Vec<Family> {
    let Some(hooks) = t.hooks() else { return Vec::new() };
    let mut missing = family("killer_hooks_missing", "Hooks that nobody holds any more.", Kind::Gauge);
    let rests = hooks.rest();
    let gone = if rests { 0 } else { hooks.missing_links().len() };
    missing.samples.push((vec![], gone as f64));
    let mut rest = family("killer_hooks_resting", "1: attached by the first service.", Kind::Gauge);
    rest.samples.push((vec![], f64::from(u8::from(rests))));
    let mut skipped =
        family("killer_hook_skipped_total", "Runs that the kernel skipped (5.12+).", Kind::Counter);
    let mut runs =
        family("killer_hook_runs_total", "Runs, counted while kernel.bpf_stats_enabled is 1.", Kind::Counter);
    let mut time =
        family("killer_hook_seconds_total", "Time of these runs, the kernel's own included.", Kind::Counter);
    for h in Hooks::runs(hooks) {
        let labels = || vec![("hook", h.name.to_owned())];
        skipped.samples.push((labels(), h.skipped as f64));
        if h.runs != 0 {
            runs.samples.push((labels(), h.runs as f64));
            time.samples.push((labels(), h.ns as f64 / 1e9));
        }
    }
    vec![missing, rest, skipped, runs, time]
}

fn rules(t: &Tracker) -> Vec<Family> {
    let Some(opened) = t.rules().map(|r| r.opened()) else { return Vec::new() };
    let one = |name, help, kind, n: f64| Family { samples: vec![(vec![], n)], ..family(name, help, kind) };
    let mut host = family("killer_host_reasons", "Why a service may run without its name.", Kind::Gauge);
    host.samples.extend(unnamed::reasons(t).into_iter().map(|r| (vec![("code", r.code.to_owned())], 1.0)));
    vec![
        one(
            "killer_rules_in_force",
            "1 while rules name services.",
            Kind::Gauge,
            f64::from(u8::from(opened.in_force)),
        ),
        one(
            "killer_rules_opened_total",
            "Services that rules have opened.",
            Kind::Counter,
            opened.opened as f64,
        ),
        one(
            "killer_rules_no_room_total",
            "Matches that found no free place.",
            Kind::Counter,
            opened.no_slots as f64,
        ),
        one(
            "killer_rules_missed_total",
            "Execs that may have been missed.",
            Kind::Counter,
            opened.missed as f64,
        ),
        host,
    ]
}
