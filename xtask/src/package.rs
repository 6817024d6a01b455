//! The published crates, built from what `cargo package` puts into them and nothing else of the checkout, and the library
//! without the features that a program which embeds it may leave out.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{cargo, quiet};

/// Crates that are published, the lower one first.
const CRATES: [&str; 2] = ["killer-common", "killer-user"];

/// Packs both, unpacks them aside, and checks that they build there; dependencies are those of the checkout.
pub fn outside(root: &Path) -> Result<()> {
    let mut pack = cargo();
    pack.args(["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]);
    quiet(pack.args(CRATES.iter().flat_map(|c| ["-p", c])).current_dir(root))?;
    let packed = root.join("target/package");
    let aside = tempfile::tempdir().context("a folder aside")?;
    for c in CRATES {
        let version = env!("CARGO_PKG_VERSION");
        let archive = packed.join(format!("{c}-{version}.crate"));
        let to = aside.path().join(c);
        std::fs::create_dir(&to)?;
        let mut tar = std::process::Command::new("tar");
        // Files of now: in the archive they are all as old, and cargo would take changed ones for those of the last time.
        quiet(tar.arg("xzmf").arg(archive).arg("-C").arg(&to).arg("--strip-components=1"))?;
    }
    // One workspace of the two, with the checkout's lock file. A target of its own: cargo knows a crate by its place in the
    // workspace, which is the same here.
    let members = CRATES.map(|c| format!("\"{c}\"")).join(", ");
    let common = "[patch.crates-io]\nkiller-common = { path = \"killer-common\" }\n";
    let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n{common}");
    std::fs::write(aside.path().join("Cargo.toml"), manifest)?;
    std::fs::copy(root.join("Cargo.lock"), aside.path().join("Cargo.lock"))?;
    let mut check = cargo();
    check.args(["check", "--quiet", "--offline", "--target-dir"]).arg(root.join("target/outside"));
    quiet(check.current_dir(aside.path())).map(drop)
}

/// The library alone, and the command without what it can do without.
pub fn features(root: &Path) -> Result<()> {
    for features in ["", "cli"] {
        let mut check = cargo();
        check.args(["check", "--quiet", "--locked", "-p", "killer-user", "--no-default-features"]);
        quiet(check.args(["--features", features]).current_dir(root))?;
    }
    Ok(())
}
