//! A program for another kind of machine, run on this one: by QEMU, which brings no kernel and no system then.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::{self, Apt};
use super::cache;
use super::kernel::Arch;
use crate::run::which;

/// What runs a program for `arch` here: nothing but the program itself for this kind of machine, else QEMU's emulator, the host's or
/// one from the archive, which is kept in the cache and not installed.
pub fn runner(arch: Arch, program: &str) -> Result<Command> {
    if std::env::consts::ARCH == arch.name() {
        return Ok(Command::new(program));
    }
    let mut command = Command::new(emulator(arch)?);
    command.arg(program);
    Ok(command)
}

fn emulator(arch: Arch) -> Result<PathBuf> {
    let name = format!("qemu-{}", arch.name());
    if let Some(path) = which(&name).or_else(|| which(&format!("{name}-static"))) {
        return Ok(path);
    }
    let cache = cache()?;
    let kept = cache.join(&name);
    if kept.is_file() {
        return Ok(kept);
    }
    let host = Arch::HOST.debian();
    let apt = Apt::open(&cache.join(format!("apt-{host}")), host)?;
    println!("vm: fetching {name}");
    let scratch = tempfile::Builder::new().prefix("qemu-").tempdir_in(&cache)?;
    // Its programs are static since 2024; before, they were in a package of their own.
    for file in apt.download(&["qemu-user".into()], "", scratch.path())? {
        apt::unpack(&file, &[&format!("./usr/bin/{name}")], scratch.path())?;
    }
    let found = scratch.path().join("usr/bin").join(&name);
    std::fs::rename(&found, &kept).with_context(|| format!("no {name} in Debian's qemu-user"))?;
    Ok(kept)
}
