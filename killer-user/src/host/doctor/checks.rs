//! The single checks of `doctor`: what was looked at, what was found, what to do.

use std::path::Path;

use crate::kernel::tier::Tier;
use crate::kernel::{btf, probe};
use crate::report::human::count;
use crate::report::message::plain;
use crate::report::model::Check;
use crate::sys::{proc, proc_text, reaper};
use crate::tier::{Limits, Tracker, map_bytes};

/// One check.
pub fn check(name: &str, result: &str, text: impl Into<String>, hint: Option<&str>) -> Check {
    Check { name: name.into(), result: result.into(), text: text.into(), hint: hint.map(String::from) }
}

/// Capabilities.
pub fn privileges(tier: Tier, missing: &[&str]) -> Check {
    match missing {
        [] => check("privileges", "ok", "CAP_SYS_ADMIN or CAP_BPF with CAP_PERFMON", None),
        some if Tracker::is_forced() && tier == Tier::Scan => {
            check("privileges", "ok", format!("no {}, and this tier needs none", some.join(", ")), None)
        }
        some => check(
            "privileges",
            "warn",
            format!("lacks {}: only the tier scan works without", some.join(", ")),
            Some("run it as root"),
        ),
    }
}

/// The process file system.
pub fn proc() -> Check {
    match proc::mounted() {
        Ok(()) => check("/proc", "ok", "of this PID namespace", None),
        Err(why) => check("/proc", "fail", why, Some("mount -t proc proc /proc")),
    }
}

/// Whether numbers of processes are the kernel's own.
pub fn pid_namespace(tier: Tier, initial: bool) -> Check {
    match initial {
        true => check("PID namespace", "ok", "the initial one", None),
        false if Tracker::is_forced() && tier.is_without_programs() => {
            check("PID namespace", "ok", "not the initial one, which this tier does not need", None)
        }
        false => check(
            "PID namespace",
            "warn",
            "not the initial one: the programs see other PIDs, tiers without programs work",
            Some("run it on the host"),
        ),
    }
}

/// The kernel's types: which tier there is without them is found out by trying, so that a lack is no failure.
pub fn btf(tier: Tier, offsets: &Result<btf::Offsets, btf::BtfError>) -> Option<Check> {
    let lacks = |why: String, hint| {
        Some(check("BTF", "warn", format!("{why}: not needed for the tier {}", tier.name()), Some(hint)))
    };
    match offsets {
        Ok(_) if tier.is_without_programs() => None,
        Ok(_) => Some(check("BTF", "ok", format!("{} has every field that is needed", btf::VMLINUX), None)),
        Err(e) if Path::new(btf::VMLINUX).exists() => {
            lacks(plain(&e.to_string()), "better tiers do not know this kernel's layout")
        }
        Err(_) if !probe::sys_mounted() => lacks(
            "nothing is mounted at /sys, so nobody knows whether this kernel has it".into(),
            "mount -t sysfs sysfs /sys",
        ),
        Err(_) => lacks(
            format!("{} is missing", btf::VMLINUX),
            "better tiers need a kernel with CONFIG_DEBUG_INFO_BTF=y",
        ),
    }
}

/// Where pins can be.
pub fn bpffs(tier: Tier, near: &Path) -> Option<Check> {
    match probe::is_bpffs(near) {
        true if tier.is_without_programs() => None,
        true => Some(check("bpffs", "ok", format!("at {}", near.display()), None)),
        false if !probe::sys_mounted() => {
            let text = "none: nothing is mounted at /sys";
            Some(check("bpffs", "warn", text, Some("mount -t sysfs sysfs /sys; 'up' mounts one there")))
        }
        false => {
            let text = format!("none at {}; 'up' mounts one at /sys/fs/bpf", near.display());
            Some(check("bpffs", "warn", text, None))
        }
    }
}

/// Whether programs may read the kernel's memory.
pub fn lockdown(tier: Tier) -> Option<Check> {
    const AT: &str = "/sys/kernel/security/lockdown";
    let text = std::fs::read_to_string(AT);
    let mode = match &text {
        Ok(t) => t.split_whitespace().find_map(|w| w.strip_prefix('[')?.strip_suffix(']')).unwrap_or("none"),
        Err(_) if probe::lsms().is_some() => "none",
        Err(_) => "unknown (securityfs is not mounted)",
    };
    match mode {
        "confidentiality" if tier.is_without_programs() => {
            let text = "confidentiality: no eBPF program may read the kernel's memory, which every better tier needs";
            Some(check("lockdown", "warn", text, None))
        }
        "confidentiality" => {
            let text = "confidentiality: adoption cannot read the kernel's lists of children";
            Some(check("lockdown", "warn", text, None))
        }
        _ if tier.is_without_programs() => None,
        m => Some(check("lockdown", "ok", m, None)),
    }
}

/// The hierarchy of a tier.
pub fn named() -> Check {
    match Tracker::named_missing() {
        None => check("named cgroups", "ok", "a hierarchy of its own can be mounted (tier named)", None),
        Some(why) => check("named cgroups", "warn", format!("the tier named cannot be used: {why}"), None),
    }
}

/// Whether PID 1 waits for our own processes that stay behind; nothing where none of them lies there.
pub fn reaper() -> Option<Check> {
    let found = reaper::unreaped();
    let text = format!(
        "PID 1 ({}) has not waited within {} s for {}, {} of killer's own among them",
        proc_text::shown(&proc_text::name(1)),
        reaper::PATIENCE.as_secs(),
        count(found.all as u64, "dead process", "dead processes"),
        found.ours
    );
    let hint = "before Linux 7.1 only a parent can take its dead child away, and theirs is PID 1; each keeps a number and nothing \
                else; an init that waits for them, such as tini ('docker run --init')";
    (found.ours > 0).then(|| check("reaper", "warn", text, Some(hint)))
}

/// What a tier of programs has here.
pub fn programs(tier: Tier, offsets: Option<&btf::Offsets>) -> Vec<Check> {
    let mut c = Vec::new();
    c.push(match tier {
        Tier::Witnessed => check("gate A", "ok", "forks of a service that is being killed are refused", None),
        Tier::Typed if offsets.is_some_and(|o| o.send_signal_task.is_some()) => {
            let text = "bpf_send_signal_task: newborns of a service that is being killed die before their first instruction";
            check("gate D", "ok", text, None)
        }
        Tier::Typed => {
            let text = "no bpf_send_signal_task in this kernel: gate C, at system calls, is used when a first pass was not enough";
            check("gate D", "warn", text, None)
        }
        _ => check("gate C", "ok", "at system calls, when a first pass was not enough", None),
    });
    if matches!(tier, Tier::Witnessed | Tier::Typed) {
        c.push(match offsets.is_some_and(|o| o.inodes) {
            true => check("pidfs inodes", "ok", "every signal is checked against the process's inode", None),
            false => {
                let text = "none in this kernel: identity is checked by reading the entry twice";
                check("pidfs inodes", "warn", text, None)
            }
        });
        let lsms = probe::lsms().map_or("unknown (securityfs is not mounted)".into(), |l| l.join(","));
        c.push(check("LSMs", "ok", lsms, None));
    }
    let limits = Limits::read();
    let mib = map_bytes(limits) as f64 / 1048576.0;
    let text =
        format!("pid_max {}, threads-max {}: maps of {mib:.1} MiB", limits.pid_max, limits.threads_max);
    c.push(check("sizes", "ok", text, None));
    c
}
