//! The file systems of a guest: the usual ones, and what a variant takes away.

use crate::plan::Plan;
use nix::mount::{MsFlags, mount};
use std::fs;
use std::process::Command;

/// Controllers of cgroup v1 that a guest of that kind gets, each a hierarchy.
const V1: [&str; 4] = ["freezer", "pids", "cpu", "memory"];

fn attach(kind: &str, at: &str, options: &str) -> bool {
    let _ = fs::create_dir_all(at);
    let options = Some(options).filter(|o| !o.is_empty());
    mount(Some(kind), at, Some(kind), MsFlags::empty(), options).is_ok()
}

/// What an init has to have to call anything its own.
pub fn least() {
    attach("proc", "/proc", "");
    attach("sysfs", "/sys", "");
    let _ = fs::write("/proc/sys/kernel/printk", "5");
}

/// What every guest has.
pub fn first() {
    for (kind, at) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/run"),
        ("securityfs", "/sys/kernel/security"),
        ("debugfs", "/sys/kernel/debug"),
        ("tracefs", "/sys/kernel/tracing"),
    ] {
        attach(kind, at, "");
    }
    for dir in ["/tmp", "/dev/shm"] {
        let _ = fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o1777));
    }
    // As hosts have them: rules rely on no directory that everybody may change.
    for dir in ["/", "/run"] {
        let _ = fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    }
    for (link, to) in [("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0")] {
        let _ = std::os::unix::fs::symlink(to, link);
    }
    let _ = fs::write("/proc/sys/kernel/printk", "5");
    // A shell and its tools, for the tests that start some; a guest without busybox has none.
    let _ = Command::new("/bin/busybox").args(["--install", "-s", "/bin"]).status();
    let _ = Command::new("/bin/busybox").args(["ip", "link", "set", "lo", "up"]).status();
}

/// What the variant wants.
pub fn by_plan(plan: &Plan) {
    if plan.get("bpffs") != "none" {
        attach("bpf", "/sys/fs/bpf", "");
    }
    match plan.get("cgroup") {
        "none" => {}
        "v1" => {
            attach("tmpfs", "/sys/fs/cgroup", "");
            attach("cgroup", "/sys/fs/cgroup/systemd", "none,name=systemd");
            for controller in V1 {
                attach("cgroup", &format!("/sys/fs/cgroup/{controller}"), controller);
            }
        }
        _ => drop(attach("cgroup2", "/sys/fs/cgroup", "")),
    }
    if plan.get("btf") == "hidden" {
        attach("tmpfs", "/sys/kernel/btf", "");
    }
    if plan.get("modules") == "all" {
        load_modules();
    }
    for (name, value) in &plan.sysctls {
        if let Err(e) = fs::write(format!("/proc/sys/{name}"), value) {
            crate::say(&format!("fact sysctl {name}={value}: {e}"));
        }
    }
}

/// /proc as it has to be in a PID namespace.
pub fn proc_of_namespace() {
    let _ = mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
    attach("proc", "/proc", "");
}

/// Loads what is in `/modules`, each when those that it needs are there.
fn load_modules() {
    let mut left: Vec<_> =
        fs::read_dir("/modules").into_iter().flatten().flatten().map(|e| e.path()).collect();
    loop {
        let before = left.len();
        left.retain(|m| {
            !Command::new("/bin/busybox").arg("insmod").arg(m).status().is_ok_and(|s| s.success())
        });
        if left.len() == before || left.is_empty() {
            return crate::say(&format!("fact modules {} not loaded", left.len()));
        }
    }
}
