//! What was made is looked at: what is in it, whether it runs, how it is installed and removed, and what others' tools say of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Dist, Machine, contents};
use crate::guard;
use crate::run::{have, quiet, shown};
use crate::vm::user;

/// Scripts for any shell, below `packaging/`.
const POSIX: [&str; 16] = [
    "debian/postinst",
    "debian/prerm",
    "debian/postrm",
    "check/run.sh",
    "check/words.sh",
    "check/deb.sh",
    "check/rpm.sh",
    "check/tarball.sh",
    "rpm/pre.sh",
    "rpm/post.sh",
    "rpm/preun.sh",
    "rpm/postun.sh",
    "tarball/install.sh",
    "alpine/ebpf-killer.post-install",
    "alpine/ebpf-killer.pre-deinstall",
    "buildroot/S00killer",
];

/// Everything.
pub fn all(dist: &Dist) -> Result<()> {
    quiet(
        Command::new("sha256sum")
            .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
            .current_dir(&dist.dir),
    )?;
    scripts(dist)?;
    for machine in &dist.machines {
        contents::all(dist, machine)?;
        program(dist, machine)?;
        let control = quiet(Command::new("dpkg-deb").arg("--field").arg(dist.dir.join(machine.deb_file())))?;
        for line in ["Package: ebpf-killer", "Conflicts: killer", &format!("Architecture: {}", machine.deb)] {
            ensure!(control.lines().any(|l| l == line), "{} has no '{line}'\n{control}", machine.deb_file());
        }
        tool("lintian", &["--fail-on", "error,warning", "--allow-root"], &dist.dir.join(machine.deb_file()))?;
        let config = dist.root.join("packaging/rpm/rpmlint.toml");
        tool("rpmlint", &["--config", &config.to_string_lossy()], &dist.dir.join(machine.rpm_file()))?;
    }
    installed(dist)
}

/// It is for the machine, needs no loader, runs, and says the same as the one for this machine.
fn program(dist: &Dist, machine: &Machine) -> Result<()> {
    let path = dist.dir.join(machine.program_file());
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    elf(&bytes, machine.elf).with_context(|| machine.program_file())?;
    let program = path.to_string_lossy();
    let version = quiet(user::runner(machine.kind, &program)?.arg("--version"))?;
    ensure!(version.trim() == format!("killer {}", super::VERSION), "{program} says it is {version}");
    let page = quiet(user::runner(machine.kind, &program)?.args(["generate", "man"]))?;
    let packed = dist.dir.join("stage/share/man/man8/killer.8");
    let packed = std::fs::read_to_string(&packed).with_context(|| packed.display().to_string())?;
    ensure!(page == packed, "{program} has another man page than the packages");
    // A finished program that somebody brought may be of another build.
    if dist.program.is_none() {
        guard::packaged(machine.target, &path)?;
    }
    println!("ok {} runs, is static, and has the man page of the packages", machine.program_file());
    Ok(())
}

/// Is this ELF file for the machine with this number, and without an interpreter?
fn elf(bytes: &[u8], machine: u16) -> Result<()> {
    let word = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let long =
        |at: usize| bytes.get(at..at + 8).map(|b| b.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)));
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "it is no 64 bit ELF file");
    ensure!(word(18) == Some(machine), "it is for another machine: {:?}", word(18));
    // e_phoff, e_phentsize, e_phnum
    let (Some(first), Some(size), Some(count)) = (long(32), word(54), word(56)) else {
        anyhow::bail!("its head is cut off");
    };
    const PT_INTERP: [u16; 2] = [3, 0];
    let kind = |i: u16| first + usize::from(i) * usize::from(size);
    let asks = (0..count).any(|i| [word(kind(i)), word(kind(i) + 2)] == PT_INTERP.map(Some));
    ensure!(!asks, "it asks for a loader: it is not static");
    Ok(())
}

/// The packages at work, in a copy of this host that is thrown away.
fn installed(dist: &Dist) -> Result<()> {
    let Some(machine) = dist.machines.iter().find(|m| m.arch == std::env::consts::ARCH) else {
        println!("SKIP the installation: nothing was made for this kind of machine");
        return Ok(());
    };
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP the installation: it needs root");
        return Ok(());
    }
    for (kind, tool, file) in [
        ("tarball", "tar", machine.tar_file()),
        ("deb", "dpkg", machine.deb_file()),
        ("rpm", "rpm", machine.rpm_file()),
    ] {
        if !have(tool) {
            println!("SKIP the installation of the {kind}: {tool} is not installed");
            continue;
        }
        println!("{file}:");
        let run = dist.root.join("packaging/check/run.sh");
        shown(Command::new("sh").arg(run).arg(kind).arg(dist.dir.join(file)))?;
    }
    Ok(())
}

/// A tool of others over a package, where it is installed; else it is said how to get it.
fn tool(name: &str, args: &[&str], package: &Path) -> Result<()> {
    if !have(name) {
        println!("SKIP {name}: it is not installed (Debian: apt-get install {name})");
        return Ok(());
    }
    quiet(Command::new(name).args(args).arg(package))?;
    println!("ok {name} {}", package.file_name().unwrap_or_default().to_string_lossy());
    Ok(())
}

/// Every script of packages: the shells that are here read it, and shellcheck where it is installed.
fn scripts(dist: &Dist) -> Result<()> {
    let files = dist.root.join("packaging");
    for shell in ["sh", "dash", "bash"].into_iter().filter(|s| have(s)) {
        for script in POSIX {
            quiet(Command::new(shell).arg("-n").arg(files.join(script)))?;
        }
    }
    for script in ["alpine/APKBUILD", "gentoo/ebpf-killer.ebuild"] {
        quiet(Command::new("bash").arg("-n").arg(files.join(script)))?;
    }
    if have("shellcheck") {
        let mut check = Command::new("shellcheck");
        // Boot files are checked as they are, before their @KILLER@ is filled in.
        let boot = dist.root.join("killer-user/src/boot/files");
        check.args(["--shell=sh", "--exclude=SC3013,SC1091"]).args(POSIX.map(|s| files.join(s)));
        shown(check.args(["killer.lsb", "50-killer"].map(|s| boot.join(s))))?;
        println!("ok shellcheck, {} scripts", POSIX.len() + 2);
    } else {
        println!("SKIP shellcheck: it is not installed (Debian: apt-get install shellcheck)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::elf;

    /// An ELF file for machine 62 with one program header of this type.
    fn file(header: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[18], bytes[32], bytes[54], bytes[56], bytes[64]) = (62, 64, 56, 1, header);
        bytes
    }

    #[test]
    fn a_program_for_another_machine_or_with_a_loader_is_refused() {
        assert!(elf(&file(1), 62).is_ok());
        assert!(elf(&file(1), 183).is_err());
        assert!(elf(&file(3), 62).is_err());
        assert!(elf(b"#!/bin/sh\n", 62).is_err());
    }
}
