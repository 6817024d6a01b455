//! A second build, from a copy of the checkout at another place, gives the same bytes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Dist;
use crate::run::quiet;

/// Builds it again from a copy of the checkout at another place, and compares.
pub fn again(dist: &Dist, arch: Option<&str>) -> Result<()> {
    let aside = tempfile::tempdir().context("a folder aside")?;
    let copy = aside.path().join("elsewhere");
    let files = quiet(Command::new("git").args(["ls-files", "-z"]).current_dir(&dist.root))?;
    for file in files.split_terminator('\0') {
        super::stage::copy(&dist.root.join(file), &copy.join(file))?;
    }
    // This xtask works on the checkout that the variable names, as under `cargo run`.
    let mut build = Command::new(std::env::current_exe()?);
    build.arg("dist").args(arch.into_iter().flat_map(|a| ["--arch", a])).current_dir(&copy);
    build.env("CARGO_MANIFEST_DIR", copy.join("xtask"));
    build.env("SOURCE_DATE_EPOCH", dist.epoch.to_string()).env("CARGO_TARGET_DIR", copy.join("target"));
    quiet(&mut build)?;
    let sums =
        |at: &Path| std::fs::read_to_string(at.join("SHA256SUMS")).with_context(|| at.display().to_string());
    let (first, second) = (sums(&dist.dir)?, sums(&copy.join("target/dist"))?);
    let other: Vec<&str> = first.lines().filter(|l| !second.lines().any(|s| s == *l)).collect();
    if first != second {
        bail!("the second build gave other bytes:\n{}", other.join("\n"));
    }
    println!("the same bytes from a second build at another place: {} files", first.lines().count());
    Ok(())
}
