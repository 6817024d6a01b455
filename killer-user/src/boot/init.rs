//! Which init starts a host: what PID 1 is, and what lies on the disk.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::tree::Tree;

/// An init, with what starts the services below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// sysvinit, with scripts of any kind.
    Sysv,
    /// OpenRC, below whatever PID 1.
    Openrc,
    /// runit.
    Runit,
    /// s6-linux-init.
    S6,
    /// dinit.
    Dinit,
    /// finit.
    Finit,
    /// busybox init.
    Busybox,
    /// systemd.
    Systemd,
}

impl Init {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Sysv,
        Self::Openrc,
        Self::Runit,
        Self::S6,
        Self::Dinit,
        Self::Finit,
        Self::Busybox,
        Self::Systemd,
    ];

    /// As it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sysv => "sysv",
            Self::Openrc => "openrc",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Dinit => "dinit",
            Self::Finit => "finit",
            Self::Busybox => "busybox",
            Self::Systemd => "systemd",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.name() == name)
    }
}

/// By the file name of the program that is PID 1. `init` itself may be sysvinit, or a script; then the disk decides.
fn of_program(name: &OsStr) -> Option<Init> {
    Some(match name.to_str()? {
        "systemd" => Init::Systemd,
        "openrc-init" => Init::Openrc,
        "runit" | "runit-init" => Init::Runit,
        "s6-svscan" | "s6-linux-init" => Init::S6,
        "dinit" => Init::Dinit,
        "finit" => Init::Finit,
        "busybox" => Init::Busybox,
        _ => return None,
    })
}

/// OpenRC starts services below sysvinit or busybox, too.
fn with_openrc(init: Init, openrc: bool) -> Init {
    if openrc && matches!(init, Init::Sysv | Init::Busybox) { Init::Openrc } else { init }
}

/// The init that runs now; `None` in a chroot, where PID 1 belongs to another root, and where it is none that is known.
pub fn running() -> Option<Init> {
    let here = std::fs::metadata("/").ok()?;
    let first = std::fs::metadata("/proc/1/root").ok()?;
    if (here.dev(), here.ino()) != (first.dev(), first.ino()) {
        return None;
    }
    // sd_booted(3).
    if Path::new("/run/systemd/system").is_dir() {
        return Some(Init::Systemd);
    }
    let program = std::fs::read_link("/proc/1/exe").ok()?;
    let openrc = Path::new("/run/openrc/softlevel").exists();
    let name = program.file_name()?;
    let found = of_program(name).or_else(|| (name == "init").then_some(Init::Sysv))?;
    Some(with_openrc(found, openrc))
}

/// The init that a disk would be started with.
pub fn from_disk(tree: &Tree) -> Option<Init> {
    let has = |paths: &[&str]| paths.iter().any(|p| tree.has(p));
    let openrc = has(&["sbin/openrc", "usr/sbin/openrc", "usr/bin/openrc"]) && tree.has_dir("etc/runlevels");
    let init = tree.real_name("sbin/init").or_else(|| tree.real_name("init"));
    if let Some(init) = init.as_deref().and_then(of_program) {
        return Some(with_openrc(init, openrc));
    }
    if openrc {
        return Some(Init::Openrc);
    }
    // s6-linux-init's /sbin/init is a script that it makes itself.
    let script = tree.read("sbin/init").ok().flatten().unwrap_or_default();
    if script.contains("s6-linux-init") {
        return Some(Init::S6);
    }
    let sysv = tree.has("etc/inittab") || tree.has_dir("etc/rcS.d");
    if init.is_some() && sysv {
        return Some(Init::Sysv);
    }
    // An image that is being made may have no /sbin/init yet.
    let busybox = has(&["bin/busybox", "usr/bin/busybox"]);
    [
        (tree.has_dir("etc/runit"), Init::Runit),
        (tree.has_dir("etc/s6-linux-init"), Init::S6),
        (tree.has_dir("etc/dinit.d"), Init::Dinit),
        (has(&["etc/finit.conf"]) || tree.has_dir("etc/finit.d"), Init::Finit),
        (sysv && busybox && !tree.has_dir("etc/rcS.d"), Init::Busybox),
        (sysv, Init::Sysv),
        (has(&["lib/systemd/systemd", "usr/lib/systemd/systemd"]), Init::Systemd),
        (busybox && tree.has("etc/init.d/rcS"), Init::Busybox),
    ]
    .into_iter()
    .find_map(|(there, init)| there.then_some(init))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_again() {
        for init in Init::ALL {
            assert_eq!(Init::named(init.name()), Some(init));
        }
        assert_eq!(Init::named("upstart"), None);
    }
}
