//! An initramfs whose PID 1 is a real systemd, for the ways that need one.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::{self, Apt};
use super::cpio::Cpio;
use super::payload::{GROUP, PASSWD, Programs};
use crate::run::quiet;

/// Where systemd comes from.
const SUITE: &str = "trixie";
/// systemd and the tools that are compared.
const PACKAGES: [&str; 5] = ["systemd-sysv", "busybox-static", "procps", "psmisc", "dpkg"];
/// What no guest needs.
const LEFT_OUT: [&str; 12] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/zoneinfo",
    "usr/share/perl5",
    "usr/share/bash-completion",
    "usr/share/i18n",
    "var/lib/dpkg",
    "var/cache",
    "usr/lib/udev/hwdb.d",
    "boot",
];
/// Units that only cost time in a guest.
const MASKED: [&str; 8] = [
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-timesyncd.service",
    "systemd-networkd.service",
    "systemd-pstore.service",
    "getty.target",
    "serial-getty@ttyS0.service",
    "systemd-firstboot.service",
];
const UNIT: &str = "[Unit]\nDescription=peers\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/t/guest peers\n\
    StandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\nTimeoutStartSec=infinity\nTasksMax=infinity\n\
    Environment=PATH=/t:/usr/sbin:/usr/bin:/sbin:/bin\nDelegate=yes\n";
const TARGET: &str = "[Unit]\nRequires=basic.target\nWants=peers.service\nAfter=basic.target peers.service\nAllowIsolate=yes\n";

/// The root with systemd, unpacked once into the cache.
fn root(apt: &Apt, cache: &Path) -> Result<PathBuf> {
    let root = cache.join(format!("systemd-{SUITE}"));
    if root.join("complete").exists() {
        return Ok(root);
    }
    println!("vm: fetching systemd of {SUITE}");
    let _ = std::fs::remove_dir_all(&root);
    for dir in ["bin", "sbin", "lib", "lib64"] {
        std::fs::create_dir_all(root.join("usr").join(dir))?;
        symlink(format!("usr/{dir}"), root.join(dir))?;
    }
    for file in apt.closure(SUITE, &PACKAGES)? {
        apt::unpack(&file, &["./*"], &root)?;
    }
    let busybox = root.join("usr/bin/busybox");
    let list = quiet(Command::new(&busybox).arg("--list")).context("busybox of the guest")?;
    for applet in list.lines() {
        if !["bin", "sbin"].iter().any(|d| root.join("usr").join(d).join(applet).symlink_metadata().is_ok()) {
            symlink("busybox", root.join("usr/bin").join(applet))?;
        }
    }
    std::fs::write(root.join("complete"), "")?;
    Ok(root)
}

/// The whole initramfs.
pub fn initramfs(apt: &Apt, cache: &Path, programs: &Programs) -> Result<Vec<u8>> {
    let root = root(apt, cache)?;
    let mut cpio = Cpio::default();
    for dir in ["proc", "sys", "dev", "tmp", "run", "root", "var/log", "var/lib", "etc/systemd/system"] {
        cpio.dir(dir);
    }
    cpio.device("dev/console", 5, 1);
    cpio.device("dev/null", 1, 3);
    cpio.tree(&root, "", &|path| !LEFT_OUT.iter().any(|l| path.trim_start_matches('/').starts_with(l)))?;
    cpio.link("init", "/lib/systemd/systemd");
    cpio.file("etc/passwd", 0o644, PASSWD.as_bytes());
    cpio.file("etc/group", 0o644, GROUP.as_bytes());
    cpio.file("etc/nsswitch.conf", 0o644, b"passwd: files\ngroup: files\n");
    cpio.file("etc/os-release", 0o644, b"ID=guest\nNAME=guest\n");
    // Without one, systemd presets every unit at each boot.
    cpio.file("etc/machine-id", 0o644, b"0123456789abcdef0123456789abcdef\n");
    cpio.file("etc/systemd/system/peers.service", 0o644, UNIT.as_bytes());
    cpio.file("etc/systemd/system/peers.target", 0o644, TARGET.as_bytes());
    cpio.link("etc/systemd/system/default.target", "/etc/systemd/system/peers.target");
    for unit in MASKED {
        cpio.link(&format!("etc/systemd/system/{unit}"), "/dev/null");
    }
    cpio.copy("t/guest", &programs.init)?;
    cpio.copy("t/killer", &programs.killer)?;
    cpio.copy("t/adversary", &programs.adversary)?;
    Ok(cpio.finish())
}
