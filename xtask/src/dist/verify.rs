//! What was made is looked at: what is in it, whether others' tools accept it, whether a second build gives the same bytes.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Dist, NAME, VERSION};
use crate::run::{cargo, have, quiet, shown};

/// What a package must bring.
const BRINGS: [&str; 6] = [
    "usr/bin/killer",
    "usr/share/man/man8/killer.8.gz",
    "usr/share/bash-completion/completions/killer",
    "usr/share/fish/vendor_completions.d/killer.fish",
    "usr/lib/killer/rules.d/README",
    "usr/share/doc/ebpf-killer/docs/CHANGELOG.md",
];

/// The packages from the outside, and the scripts.
pub fn contents(dist: &Dist) -> Result<()> {
    for machine in &dist.machines {
        let deb = dist.dir.join(format!("{NAME}_{VERSION}-1_{}.deb", machine.deb));
        let listing = quiet(Command::new("dpkg-deb").arg("--contents").arg(&deb))?;
        for file in BRINGS {
            let there = listing
                .lines()
                .any(|l| l.ends_with(&format!("./{file}")) || l.contains(&format!("./{file}.gz")));
            ensure!(there, "{} has no {file}\n{listing}", deb.display());
        }
        let control = quiet(Command::new("dpkg-deb").arg("--field").arg(&deb))?;
        for line in ["Package: ebpf-killer", "Conflicts: killer", &format!("Architecture: {}", machine.deb)] {
            ensure!(control.lines().any(|l| l == line), "{} has no '{line}'\n{control}", deb.display());
        }
        tool("lintian", &["--fail-on", "error"], &deb)?;
        let rpm = dist.dir.join(format!("{NAME}-{VERSION}-1.{}.rpm", machine.arch));
        tool(
            "rpmlint",
            &["--config", &dist.root.join("packaging/rpm/rpmlint.toml").to_string_lossy()],
            &rpm,
        )?;
    }
    scripts(dist)?;
    installed(dist)
}

/// The maintainer scripts at work, in an overlay of this host that is thrown away.
fn installed(dist: &Dist) -> Result<()> {
    let Some(machine) = dist.machines.iter().find(|m| m.arch == std::env::consts::ARCH) else {
        return Ok(());
    };
    if !nix::unistd::geteuid().is_root() || !have("dpkg") {
        println!("SKIP the installation of the .deb: it needs root and dpkg");
        return Ok(());
    }
    let deb = dist.dir.join(format!("{NAME}_{VERSION}-1_{}.deb", machine.deb));
    shown(Command::new("sh").arg(dist.root.join("packaging/debian/check.sh")).arg(deb))
}

/// A tool of others over a package, where it is installed; else it is said how to get it.
fn tool(name: &str, args: &[&str], package: &Path) -> Result<()> {
    if !have(name) {
        println!("SKIP {name}: it is not installed (Debian: apt-get install {name})");
        return Ok(());
    }
    println!("{name} {}", package.display());
    shown(Command::new(name).args(args).arg(package))
}

/// Every script of packages: a shell reads it, and shellcheck where it is installed.
fn scripts(dist: &Dist) -> Result<()> {
    let files = dist.root.join("packaging");
    let posix = [
        "debian/postinst",
        "debian/prerm",
        "debian/postrm",
        "debian/check.sh",
        "rpm/pre.sh",
        "rpm/post.sh",
        "rpm/preun.sh",
        "tarball/install.sh",
        "alpine/ebpf-killer.post-install",
        "alpine/ebpf-killer.pre-deinstall",
        "buildroot/S00killer",
    ];
    for script in posix {
        quiet(Command::new("sh").arg("-n").arg(files.join(script)))?;
    }
    for script in ["alpine/APKBUILD", "gentoo/ebpf-killer.ebuild"] {
        quiet(Command::new("bash").arg("-n").arg(files.join(script)))?;
    }
    if have("shellcheck") {
        let mut check = Command::new("shellcheck");
        check.args(["--shell=sh", "--exclude=SC3013"]).args(posix.map(|s| files.join(s)));
        shown(&mut check)?;
    } else {
        println!("SKIP shellcheck: it is not installed (Debian: apt-get install shellcheck)");
    }
    Ok(())
}

/// Builds it again from a copy of the checkout at another place, and compares.
pub fn again(dist: &Dist, arch: Option<&str>) -> Result<()> {
    let aside = tempfile::tempdir().context("a folder aside")?;
    let copy = aside.path().join("elsewhere");
    let files = quiet(Command::new("git").args(["ls-files", "-z"]).current_dir(&dist.root))?;
    for file in files.split_terminator('\0') {
        super::stage::copy(&dist.root.join(file), &copy.join(file))?;
    }
    let mut build = cargo();
    build.args(["run", "--quiet", "--locked", "--package", "xtask", "--", "dist"]);
    build.args(arch.into_iter().flat_map(|a| ["--arch", a])).current_dir(&copy);
    build.env("SOURCE_DATE_EPOCH", dist.epoch.to_string()).env_remove("CARGO_MANIFEST_DIR");
    // The umask of a builder has no say.
    build.env("CARGO_TARGET_DIR", copy.join("target"));
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
