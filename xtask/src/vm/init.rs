//! Guests whose PID 1 is a real init: a disk with Debian on it, made once from its packages and kept in the cache, that boots
//! with the init of one's choice and with real daemons. `killer` is no part of it: it comes in the initramfs, so that the
//! disk is the same for every build.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::apt::Apt;
use crate::run::{have, quiet};
use crate::tools;

/// Of this release of Debian.
const SUITE: &str = "bookworm";
/// What it takes to be a Debian: all that is "essential", with the merged /usr that it has had from the beginning.
const ESSENTIAL: [&str; 30] = [
    "adduser",
    "base-files",
    "base-passwd",
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "debconf",
    "debianutils",
    "diffutils",
    "dpkg",
    "e2fsprogs",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "init-system-helpers",
    "libc-bin",
    "login",
    "mawk",
    "mount",
    "ncurses-base",
    "ncurses-bin",
    "passwd",
    "perl-base",
    "sed",
    "sysvinit-utils",
    "tar",
    "usr-is-merged",
    "util-linux",
];
/// The services, and what an admin has at hand. rsyslog's init script lies in a package of its own since Debian 12.
const SERVICES: [&str; 17] = [
    "apache2",
    "at",
    "cron",
    "curl",
    "ifupdown",
    "iproute2",
    "kmod",
    "logrotate",
    "nginx",
    "openssh-client",
    "openssh-server",
    "orphan-sysvinit-scripts",
    "procps",
    "psmisc",
    "rsyslog",
    "strace",
    "udev",
];
const IMAGE: &str = include_str!("image.sh");

/// What PID 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Init {
    /// sysvinit, whose rc starts scripts with startpar.
    Sysv,
    /// OpenRC, started by sysvinit's init as Debian does it.
    Openrc,
    /// runit, which starts init scripts first and then services of its own.
    Runit,
    /// busybox init with init scripts as Buildroot has them, on the disk with sysvinit: nothing else of it differs.
    Busybox,
}

impl Init {
    /// For the command line, tables and the guest's plan.
    pub fn name(self) -> &'static str {
        match self {
            Init::Sysv => "sysv",
            Init::Openrc => "openrc",
            Init::Runit => "runit",
            Init::Busybox => "busybox",
        }
    }

    /// That of the disk.
    fn installed(self) -> Init {
        if self == Init::Busybox { Init::Sysv } else { self }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Init::Sysv | Init::Busybox => &["sysvinit-core", "startpar"],
            Init::Openrc => &["openrc", "sysvinit-core"],
            Init::Runit => &["runit-init"],
        }
    }

    /// The disk, from the cache when its packages are the newest; without a network an old one does.
    pub fn disk(self, apt: &Result<Apt>, cache: &Path) -> Result<PathBuf> {
        let name = self.installed().name();
        let disk = cache.join(format!("boot-{name}.ext4"));
        let made = cache.join(format!("boot-{name}.made"));
        let is = std::fs::read_to_string(&made).ok().filter(|_| disk.is_file());
        let apt = match (apt, &is) {
            (Ok(apt), _) => apt,
            (Err(_), Some(_)) => return Ok(disk),
            (Err(error), None) => anyhow::bail!("the disk with {name}: {error:#}"),
        };
        let names = [&ESSENTIAL[..], &SERVICES, self.packages()].concat();
        let wanted = format!("{:x}\n", Sha256::digest(IMAGE.to_owned() + &apt.versions(SUITE, &names)?));
        if is.as_ref() == Some(&wanted) {
            return Ok(disk);
        }
        println!("vm: making a disk of Debian {SUITE} with {name}");
        let _ = std::fs::remove_file(&made);
        let begun = Instant::now();
        let packages = apt.closure(SUITE, &names)?;
        let fetched = begun.elapsed().as_secs();
        make(&packages, &disk).with_context(|| format!("a disk with {name}"))?;
        println!(
            "vm: {} packages in {fetched} s, a disk of them in {} s",
            packages.len(),
            begun.elapsed().as_secs()
        );
        std::fs::write(&made, wanted)?;
        Ok(disk)
    }
}

fn make(packages: &[PathBuf], disk: &Path) -> Result<()> {
    if !have("mkfs.ext4") {
        tools::packages(&["e2fsprogs"], "disks of guests")?;
    }
    let scratch = tempfile::Builder::new().prefix("killer-disk-").tempdir()?;
    let script = scratch.path().join("image.sh");
    std::fs::write(&script, IMAGE)?;
    let root = scratch.path().join("root");
    std::fs::create_dir(&root)?;
    let from = packages.first().and_then(|p| p.parent()).context("no packages")?;
    let part = disk.with_extension("part");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh"]);
    quiet(command.arg(&script).arg(&root).arg(from).arg(&part))?;
    std::fs::rename(&part, disk).with_context(|| disk.display().to_string())
}
