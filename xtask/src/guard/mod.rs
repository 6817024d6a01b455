//! `cargo xtask guard`: figures that no noise can change, held against the limits of `xtask/guard.toml`.

mod command;
mod limits;
mod programs;
pub mod trace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use limits::{Figures, Kind, Limits, SLACK, judge};

use crate::bench::Bench;
use crate::run::root;
use crate::tally::Tally;
use crate::{binary, interrupt};

/// `guard`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Make what is measured now the limits
    #[arg(long)]
    write: bool,
    /// The static program as it is packaged, too (it takes minutes to build)
    #[arg(long)]
    released: bool,
}

/// What was measured: bytes of files, and by kind what depends on the kernel.
struct Measured {
    bytes: Kind,
    /// Else why it cannot be measured here.
    on: Result<BTreeMap<String, Kind>, String>,
}

/// Measures, and compares or writes. Each kind counts as one.
pub fn run(options: &Options) -> Result<Tally> {
    let limits = Limits::read()?;
    let measured = measure(options)?;
    if options.write {
        return write(limits, measured);
    }
    let mut tally = Tally::default();
    check(&mut tally, "bytes", &limits.bytes, &measured.bytes);
    let kernel = kernel();
    match (measured.on, limits.on.get(&kernel)) {
        (Err(why), _) => skip(&mut tally, &why),
        (Ok(_), None) => skip(
            &mut tally,
            &format!("xtask/guard.toml has no limits for {kernel} (cargo xtask guard --write adds them)"),
        ),
        (Ok(measured), Some(limits)) => {
            let none = Kind::new();
            for kind in limits.keys().chain(measured.keys().filter(|k| !limits.contains_key(*k))) {
                let of = |all: &BTreeMap<String, Kind>| all.get(kind).unwrap_or(&none).clone();
                check(&mut tally, kind, &of(limits), &of(&measured));
            }
        }
    }
    Ok(tally)
}

/// Whether a static program as it is packaged is no larger than it may be; one without a limit may be.
pub fn packaged(target: &str, program: &Path) -> Result<()> {
    let what = packaged_name(target);
    let limits: Kind = Limits::read()?.bytes.into_iter().filter(|(of, _)| *of == what).collect();
    if limits.is_empty() {
        return Ok(());
    }
    let verdict = judge(&limits, &Kind::from([(what, size(program)?)]));
    verdict.loose.iter().for_each(|line| println!("{line}: {TIGHTEN}"));
    ensure!(verdict.wrong.is_empty(), "{} {WHEN_MEANT}", verdict.wrong.join("; "));
    Ok(())
}

const TIGHTEN: &str = "cargo xtask guard --write lets the limit follow";
const WHEN_MEANT: &str = "(when it is meant: cargo xtask guard --write)";
/// The static program that guests have: quicker to build, and of the same sources.
const GUESTS: &str = "killer of the guests";

fn packaged_name(target: &str) -> String {
    format!("killer as packaged, {target}")
}

fn skip(tally: &mut Tally, why: &str) {
    println!("SKIP: guard: {why}");
    *tally += Tally::SKIPPED;
}

/// Limits of what was not measured (the packaged program) are no matter.
fn check(tally: &mut Tally, kind: &str, limits: &Kind, measured: &Kind) {
    let asked = |what: &String| measured.contains_key(what) || !what.contains("as packaged");
    let limits = limits.iter().filter(|(what, _)| asked(what)).map(|(k, v)| (k.clone(), v.clone()));
    let verdict = judge(&limits.collect(), measured);
    verdict.loose.iter().for_each(|line| println!("guard: {kind}: {line}: {TIGHTEN}"));
    let outcome = match verdict.wrong.len() {
        0 => Ok(()),
        n => Err(anyhow::anyhow!(
            "{n} figures are not within {SLACK} % of their limits {WHEN_MEANT}\n  {}",
            verdict.wrong.join("\n  ")
        )),
    };
    tally.check(&format!("guard: {kind}"), outcome);
}

fn write(mut limits: Limits, measured: Measured) -> Result<Tally> {
    limits.bytes.extend(measured.bytes);
    let of_kernel = limits.on.entry(kernel()).or_default();
    for (kind, figures) in measured.on.map_err(anyhow::Error::msg)? {
        let of_kind = of_kernel.entry(kind).or_default();
        // Tiers, programs and files that are no more have no limits; the packaged program may not have been asked for.
        of_kind.retain(|what, _| what.contains("as packaged"));
        of_kind.extend(figures);
    }
    std::fs::write(limits::path(), limits.text()).with_context(|| limits::path().display().to_string())?;
    println!("{} has the figures of now as limits", limits::path().display());
    Ok(Tally::default())
}

fn measure(options: &Options) -> Result<Measured> {
    let target = binary::STATIC;
    let mut programs = vec![(GUESTS.to_owned(), binary::for_guests()?)];
    if options.released {
        programs.push((packaged_name(target), binary::build_static(target)?));
    }
    let mut bytes = Kind::from([("objects".to_owned(), objects()?)]);
    for (name, path) in &programs {
        bytes.insert(name.clone(), size(path)?);
    }
    Ok(Measured { bytes, on: on_this_kernel(&programs)? })
}

/// The outer error is one of measuring.
fn on_this_kernel(programs: &[(String, PathBuf)]) -> Result<Result<BTreeMap<String, Kind>, String>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Err("what programs and commands need is counted by root only".into()));
    }
    interrupt::catch()?;
    let mut all = BTreeMap::<String, Kind>::new();
    let copies = tempfile::Builder::new().prefix("killer-guard-").tempdir()?;
    for (name, path) in programs {
        // How a linker happened to write a file decides how large the pieces are that a page fault maps. A copy is like any other.
        let copy = copies.path().join("killer");
        std::fs::copy(path, &copy).context("a copy of killer")?;
        let bench = Bench::new(copy)?;
        if all.is_empty() {
            let verified = programs::verified(&bench)?;
            if verified.is_empty() {
                return Ok(Err("this kernel takes no tier with programs, or does not say how much it verifies (5.16 and later do)".into()));
            }
            all.insert("verified instructions".into(), verified);
        }
        for (kind, figures) in command::figures(&bench, name)? {
            all.entry(kind).or_default().extend(figures);
        }
    }
    Ok(Ok(all))
}

fn objects() -> Result<Figures> {
    let dir = root().join("killer-user/prebuilt");
    let mut figures = Figures::new();
    for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".o") {
            figures.insert(name, entry.metadata()?.len());
        }
    }
    Ok(figures)
}

fn size(program: &Path) -> Result<Figures> {
    let bytes = std::fs::metadata(program).with_context(|| program.display().to_string())?.len();
    Ok(Figures::from([("size".into(), bytes)]))
}

/// The series of this kernel and the machine: `6.18 x86_64`. Another series verifies in another way, and makes other calls possible.
fn kernel() -> String {
    let release = nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let series: Vec<&str> = release.split(['.', '-']).take(2).collect();
    format!("{} {}", series.join("."), std::env::consts::ARCH)
}
