//! The single checks of `doctor`: what was looked at, what was found, what to do.

use std::path::Path;

use crate::host::{recorded, unnamed};
use crate::kernel::tier::Tier;
use crate::kernel::{btf, probe};
use crate::report::human::count;
use crate::report::message::plain;
use crate::report::model::Check;
use crate::sys::{proc, proc_text, prog, reaper};
use crate::tier::{Limits, Tracker, map_bytes};

/// One check.
pub fn check(name: &str, result: &str, text: impl Into<String>, hint: Option<&str>) -> Check {
    Check { name: name.into(), result: result.into(), text: text.into(), hint: hint.map(String::from) }
}

/// Capabilities.
pub fn privileges(tier: Tier, missing: &[&str]) -> Check {
    match missing {
        [] => check("privileges", "ok", "this process has CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON", None),
        some if Tracker::is_forced() && tier == Tier::Scan => check(
            "privileges",
            "ok",
            format!("this process lacks {}, and this tier needs none of it", some.join(", ")),
            None,
        ),
        some => check(
            "privileges",
            "warn",
            format!("this process lacks {}: only the tier scan works without", some.join(", ")),
            Some("run it as root"),
        ),
    }
}

/// The process file system.
pub fn proc() -> Check {
    match proc::mounted() {
        Ok(()) => check("/proc", "ok", "it shows this PID namespace", None),
        Err(why) => check("/proc", "fail", why, Some("mount -t proc proc /proc")),
    }
}

/// Whether numbers of processes are the kernel's own.
pub fn pid_namespace(tier: Tier, initial: bool) -> Check {
    match initial {
        true => check("PID namespace", "ok", "this is the initial one", None),
        false if Tracker::is_forced() && tier.is_without_programs() => {
            check("PID namespace", "ok", "this is not the initial one, which this tier does not need", None)
        }
        false => check(
            "PID namespace",
            "warn",
            "this is not the initial one: programs in the kernel see other PIDs here, so only tiers without programs work",
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
        Ok(_) if !tier.by_btf() => None,
        Ok(_) => Some(check("BTF", "ok", format!("{} has every field that is needed", btf::VMLINUX), None)),
        Err(e) if Path::new(btf::VMLINUX).exists() => {
            lacks(plain(&e.to_string()), "a better tier needs every field")
        }
        Err(_) if !probe::sys_mounted() => lacks(
            "nothing is mounted at /sys, so whether this kernel has it is not known".into(),
            "mount -t sysfs sysfs /sys",
        ),
        Err(_) => lacks(
            format!("{} is missing", btf::VMLINUX),
            "a better tier needs a kernel with CONFIG_DEBUG_INFO_BTF=y",
        ),
    }
}

/// Where pins can be.
pub fn bpffs(tier: Tier, near: &Path) -> Option<Check> {
    match probe::is_bpffs(near) {
        true if tier.is_without_programs() => None,
        true => Some(check("bpffs", "ok", format!("mounted at {}", near.display()), None)),
        false if !probe::sys_mounted() => {
            let text = "there is none, because nothing is mounted at /sys";
            Some(check("bpffs", "warn", text, Some("mount -t sysfs sysfs /sys; 'up' mounts one there")))
        }
        false => {
            let text = format!("there is none at {}; 'up' mounts one at /sys/fs/bpf", near.display());
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
            let text = "confidentiality: 'adopt' cannot read the kernel's lists of children";
            Some(check("lockdown", "warn", text, None))
        }
        _ if tier.is_without_programs() => None,
        m => Some(check("lockdown", "ok", m, None)),
    }
}

/// The hierarchy of a tier.
pub fn named() -> Check {
    match Tracker::named_missing() {
        None => check("named cgroups", "ok", "the tier named can mount a hierarchy of its own", None),
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
    let hint = "on this kernel only its parent can take a dead child away, and the parent of these is PID 1; each keeps its number and \
                nothing else; use an init that waits for them, such as tini ('docker run --init')";
    (found.ours > 0).then(|| check("reaper", "warn", text, Some(hint)))
}

/// What a tier of programs has here.
pub fn programs(tier: Tier, offsets: Option<&btf::Offsets>) -> Vec<Check> {
    let mut c = Vec::new();
    c.push(match tier {
        Tier::Witnessed => check("gate A", "ok", "forks of a service that is being killed are refused", None),
        Tier::Typed if offsets.is_some_and(|o| o.send_signal_task.is_some()) => {
            let text = "newborns of a service that is being killed die before their first instruction (bpf_send_signal_task)";
            check("gate D", "ok", text, None)
        }
        Tier::Typed => {
            let text = "this kernel has no bpf_send_signal_task: when a first pass was not enough, gate C stops members at system calls";
            check("gate D", "warn", text, None)
        }
        _ if !prog::can_signal() => {
            let text = "this kernel has no bpf_send_signal: a service that is being killed can fork until the last pass";
            check("gate C", "warn", text, None)
        }
        _ => check("gate C", "ok", "when a first pass was not enough, members are stopped at their system calls", None),
    });
    if tier.by_btf() {
        c.push(match offsets.is_some_and(|o| o.inodes) {
            true => check("pidfs inodes", "ok", "every signal is checked against the process's inode", None),
            false => {
                let text = "this kernel has none: identity is checked by reading the entry twice";
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

/// What is recorded, and what is missing from it.
pub fn recorder(t: &Tracker) -> Option<Check> {
    let r = t.records()?.recording().ok()??;
    let result = if recorded::missed(&r).is_empty() { "ok" } else { "warn" };
    Some(check("recorder", result, recorded::words(&r), None))
}

/// Rules that are in force; `None`: there are none, or this tier has none.
pub fn rules(t: &Tracker) -> Option<Check> {
    let o = t.rules()?.opened();
    if !o.in_force {
        return None;
    }
    let text =
        format!("in force: {} opened, {} ended", count(o.opened, "instance", "instances"), o.given_back);
    let why: Vec<String> = unnamed::of(&o).iter().map(|r| format!("{}: {}", r.code, r.text)).collect();
    Some(match (why.is_empty(), o.attached, o.no_slots) {
        (true, ..) => check("rules", "ok", text, None),
        (_, attached, no_slots) => check(
            "rules",
            if attached { "warn" } else { "fail" },
            format!("{text}; {}", why.join("; ")),
            Some(match (attached, no_slots) {
                (false, _) => "'killer down --force', 'killer up --rules', then start the services again",
                (true, 0) => "a service may run without its name: 'killer list' shows which have one",
                (true, _) => {
                    "these processes stayed in the service that they were in: end services that nobody needs"
                }
            }),
        ),
    })
}
