//! `doctor`: what this kernel can do, and what that means.

use std::path::Path;

use super::Screen;
use super::failure::Failure;
use crate::kernel::tier::Tier;
use crate::kernel::{btf, probe, witness};
use crate::report::human;
use crate::report::model::{Check, Doctor, SCHEMA_VERSION};
use crate::sys::proc;
use crate::target::registry;
use crate::tier::{BpfError, Limits, Paths, Tracker, map_bytes, object_sha256, try_out};

fn check(name: &str, result: &str, text: impl Into<String>, hint: Option<&str>) -> Check {
    Check { name: name.into(), result: result.into(), text: text.into(), hint: hint.map(String::from) }
}

/// This kernel, and what is guaranteed on it.
pub fn doctor(screen: &Screen) -> Result<u8, Failure> {
    let paths = Paths::default();
    let mut c = Vec::new();
    let missing = probe::missing_caps();
    c.push(if missing.is_empty() {
        check("privileges", "ok", "CAP_SYS_ADMIN or CAP_BPF with CAP_PERFMON", None)
    } else {
        check(
            "privileges",
            "warn",
            format!("lacks {}: only the tier scan works without", missing.join(", ")),
            Some("run it as root"),
        )
    });
    c.push(match proc::mounted() {
        Ok(()) => check("/proc", "ok", "of this PID namespace", None),
        Err(why) => check("/proc", "fail", why, Some("mount -t proc proc /proc")),
    });
    let host_ns = probe::in_initial_pid_ns().unwrap_or(false);
    c.push(if host_ns {
        check("PID namespace", "ok", "the initial one", None)
    } else {
        check(
            "PID namespace",
            "warn",
            "not the initial one: the programs see other PIDs, tiers without programs work",
            Some("run it on the host"),
        )
    });
    let has_btf = Path::new(btf::VMLINUX).exists();
    let offsets = btf::Btf::kernel().and_then(|b| btf::Offsets::read(&b));
    c.push(match (&offsets, has_btf) {
        (Ok(_), _) => check("BTF", "ok", format!("{} has every field that is needed", btf::VMLINUX), None),
        (Err(e), true) => {
            check("BTF", "fail", e.to_string(), Some("this kernel's layout is not known to killer"))
        }
        (Err(_), false) => check(
            "BTF",
            "fail",
            format!("{} is missing", btf::VMLINUX),
            Some("a kernel with CONFIG_DEBUG_INFO_BTF=y"),
        ),
    });
    let gate_d = offsets.as_ref().is_ok_and(|o| o.send_signal_task.is_some());
    c.push(if gate_d {
        check("gate D", "ok", "bpf_send_signal_task: newborns of a service that is being killed die before their first instruction", None)
    } else {
        check("gate D", "warn", "no bpf_send_signal_task (6.13+): gate C, at system calls, is used when a first pass was not enough", None)
    });
    c.push(if offsets.as_ref().is_ok_and(|o| o.inodes) {
        check("pidfs inodes", "ok", "every signal is checked against the process's inode", None)
    } else {
        check("pidfs inodes", "warn", "none (6.9+): identity is checked by reading the entry twice", None)
    });
    let near = paths.root.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    c.push(if probe::is_bpffs(near) {
        check("bpffs", "ok", format!("at {}", near.display()), None)
    } else {
        check("bpffs", "warn", format!("none at {}; 'up' mounts one at /sys/fs/bpf", near.display()), None)
    });
    let lsms = probe::lsms();
    c.push(check(
        "LSMs",
        "ok",
        lsms.map_or("unknown (securityfs is not mounted)".into(), |l| l.join(",")),
        None,
    ));
    let lockdown = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let mode =
        lockdown.split_whitespace().find_map(|w| w.strip_prefix('[')?.strip_suffix(']')).unwrap_or("none");
    c.push(match mode {
        "confidentiality" => check(
            "lockdown",
            "warn",
            "confidentiality: adoption cannot read the kernel's lists of children",
            None,
        ),
        m => check("lockdown", "ok", m, None),
    });
    let limits = Limits::read();
    c.push(check(
        "sizes",
        "ok",
        format!(
            "pid_max {}, threads-max {}: maps of {:.1} MiB",
            limits.pid_max,
            limits.threads_max,
            map_bytes(limits) as f64 / 1048576.0
        ),
        None,
    ));
    let others = paths.others();
    if !others.is_empty() {
        c.push(check(
            "other versions",
            "warn",
            format!("pins of {} at {}", others.join(", "), paths.root.display()),
            Some("their services are not visible to this killer; use that version's 'down'"),
        ));
    }
    c.push(tracker(&paths));
    let able = missing.is_empty() && host_ns;
    let known = offsets.as_ref().ok().filter(|_| able);
    let witnessed = known.map_or_else(|| Err("the failed checks above".to_owned()), witness::acts);
    let open = Tracker::open(&paths);
    let better = open.as_ref().ok().and_then(|t| t.better().map(String::from));
    // Nothing is loaded: tried out for real, in a place of its own.
    let tried = match &open {
        Err(BpfError::NotLoaded) if able && !Tracker::is_forced() && probe::is_bpffs(near) => {
            Some(try_out(near))
        }
        _ => None,
    };
    let tier = match (open, &tried, known) {
        (Ok(t), ..) => t.tier(),
        (Err(_), Some(Ok((tier, _))), _) => *tier,
        (Err(_), None, Some(_)) if witnessed.is_ok() => Tier::Witnessed,
        (Err(_), None, Some(_)) => Tier::Typed,
        (Err(_), ..) => Tracker::without_programs(),
    };
    c.push(match Tracker::named_missing() {
        None => check("named cgroups", "ok", "a hierarchy of its own can be mounted (tier named)", None),
        Some(why) => check("named cgroups", "warn", format!("the tier named cannot be used: {why}"), None),
    });
    let why = match (tier, witnessed) {
        _ if Tracker::is_forced() => "KILLER_TIER asks for this one".into(),
        (Tier::Witnessed, _) => "there is none".into(),
        (t, _) if t.is_without_programs() && matches!(tried, Some(Err(_))) => {
            tried.and_then(Result::err).map(|e| e.to_string()).unwrap_or_default()
        }
        (t, _) if t.is_without_programs() && better.is_some() => better.unwrap_or_default(),
        (_, Err(why)) => match tried {
            Some(Ok((_, lacks))) if lacks.len() > 1 => {
                lacks.iter().map(|(t, l)| format!("{}: {l}", t.name())).collect::<Vec<_>>().join("; ")
            }
            _ => why,
        },
        (_, Ok(())) => "the tracker was loaded when the birth witness was silent, or with KILLER_TIER".into(),
    };
    let words = tier.guarantees().iter().map(|s| (*s).to_owned());
    let limits = tier.limits().iter().map(|s| format!("not promised: {s}"));
    let d = Doctor {
        version: SCHEMA_VERSION,
        kind: "doctor",
        kernel: probe::release(),
        tier: tier.name().into(),
        guarantees: words.chain(limits).collect(),
        why_not_better: why,
        object_sha256: object_sha256().into(),
        checks: c,
    };
    screen.data(&d, |s| human::doctor(&d, s));
    Ok(u8::from(d.checks.iter().any(|c| c.result == "fail")))
}

fn tracker(paths: &Paths) -> Check {
    match Tracker::open(paths) {
        Ok(t) => {
            let h = t.health();
            let n = registry::all(&t).len() as u64;
            if t.tier().is_without_programs() {
                let text = format!("none; {} in a registry of files", human::count(n, "service", "services"));
                return check("tracker", "ok", text, None);
            }
            let at = paths.version();
            if !h.missing_links.is_empty() {
                let hint = "'killer down --force', then start the services again";
                return check(
                    "tracker",
                    "fail",
                    format!("links are gone: {}", h.missing_links.join(", ")),
                    Some(hint),
                );
            }
            if h.misses != 0 {
                return check(
                    "tracker",
                    "warn",
                    format!("loaded at {}; the kernel skipped {} hook runs", at.display(), h.misses),
                    None,
                );
            }
            if h.limits_raised {
                return check(
                    "tracker",
                    "warn",
                    "loaded, but pid_max or threads-max was raised since",
                    Some("'killer down' and 'killer up' when nothing is tracked"),
                );
            }
            check(
                "tracker",
                "ok",
                format!(
                    "loaded at {}, {} tracked, no hook was ever skipped",
                    at.display(),
                    human::count(n, "service", "services")
                ),
                None,
            )
        }
        Err(BpfError::NotLoaded) => {
            if let Err(f) = super::unseen::lost() {
                let text = format!("{}; {}", f.what, f.why.unwrap_or_default());
                return check("tracker", "fail", text, f.next.as_deref());
            }
            check("tracker", "ok", "not loaded; the first 'run', 'adopt' or 'up' loads it", None)
        }
        Err(e) => {
            let f = Failure::from(e);
            check("tracker", "fail", format!("{}: {}", f.what, f.why.unwrap_or_default()), f.next.as_deref())
        }
    }
}
