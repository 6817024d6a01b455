//! `.deb`, `.rpm` and the tarball, of what is in the stage.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::stage::{archive, copy};
use super::{Dist, Machine, NAME, VERSION};
use crate::run::{cargo, quiet};
use crate::tools;

/// With `install.sh`, for hosts whose packages nobody makes.
pub fn tarball(dist: &Dist, machine: &Machine, program: &Path) -> Result<()> {
    // The directory within is the same for all kinds of machines, as recipes expect it.
    let (top, stage) = (format!("{NAME}-{VERSION}"), dist.dir.join("stage"));
    let to = stage.join(&top);
    let _ = std::fs::remove_dir_all(&to);
    copy(program, &to.join("bin/killer"))?;
    copy(&dist.root.join("packaging/tarball/install.sh"), &to.join("install.sh"))?;
    copy(&dist.root.join("packaging/rules.d-README"), &to.join("lib/killer/rules.d/README"))?;
    for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&dist.root.join(name), &to.join(name))?;
    }
    let mut cp = Command::new("cp");
    quiet(cp.arg("-r").arg(stage.join("share")).arg(&to))?;
    std::fs::remove_file(to.join("share/man/man8/killer.8.gz")).context("killer.8.gz")?;
    archive(dist, &top)?;
    std::fs::rename(dist.dir.join(format!("{top}.tar.gz")), dist.dir.join(machine.tar_file()))
        .context("the tarball")
}

/// With cargo-deb; what is in it says `killer-user/Cargo.toml`.
pub fn deb(dist: &Dist, machine: &Machine) -> Result<()> {
    let mut make = ready(dist, tools::packer(&tools::CARGO_DEB)?, machine);
    let to = dist.dir.join(machine.deb_file());
    make.args(["--package", "killer-user", "--no-build", "--no-strip", "--no-dbgsym", "--locked", "--quiet"]);
    make.arg("--compress-system").arg("--output").arg(&to);
    quiet(&mut make).map(drop)
}

/// With cargo-generate-rpm.
pub fn rpm(dist: &Dist, machine: &Machine) -> Result<()> {
    let mut make = ready(dist, tools::packer(&tools::CARGO_RPM)?, machine);
    let to = dist.dir.join(machine.rpm_file());
    make.args(["--package", "killer-user", "--payload-compress", "gzip"]).arg("--output").arg(&to);
    quiet(&mut make).map(drop)
}

/// A packer for a kind of machine, with a time that is not now.
fn ready(dist: &Dist, program: std::path::PathBuf, machine: &Machine) -> Command {
    let mut make = Command::new(program);
    make.current_dir(&dist.root).env("SOURCE_DATE_EPOCH", dist.epoch.to_string());
    make.env("CARGO", cargo().get_program()).args(["--target", machine.target]);
    make
}
