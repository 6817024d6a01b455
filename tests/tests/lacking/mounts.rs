//! Nothing mounted at /sys; `doctor` speaks of the tier that is in use, and of nothing else.

use killer_tests::{Out, TestEnv, skip};
use std::process::Command;

/// `killer ARGS` in a mount namespace in which nothing is mounted at /sys.
fn without_sys(env: &TestEnv, args: &[&str]) -> Option<Out> {
    let killer = env.command();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("umount -R -l /sys || exit 99; exec \"$@\"").arg("sh").arg(killer.get_program()).args(args);
    command.envs(killer.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let out = env.finish(command);
    if out.exit() == 99 || out.stderr.contains("unshare") {
        skip(&env.test, "/sys cannot be unmounted here");
        return None;
    }
    Some(out)
}

#[test]
fn nothing_at_sys() {
    let Some(env) = TestEnv::new("nothing_at_sys").map(TestEnv::alone) else { return };
    if std::env::var_os("KILLER_TIER").is_none() {
        let Some(doctor) = without_sys(&env, &["doctor"]) else { return };
        assert!(doctor.ok().stdout.contains("nothing is mounted at /sys"), "{doctor}");
        assert!(!doctor.stdout.contains("CONFIG_DEBUG_INFO_BTF"), "the kernel is to blame: {doctor}");
        let Some(up) = without_sys(&env, &["up"]) else { return };
        up.error(1, &["nothing is mounted at /sys", "mount -t sysfs"]);
    }
}

/// A tier without programs has no gates, no maps and no object, and needs no BTF.
#[test]
fn doctor_speaks_of_this_tier() {
    for tier in ["named", "scan"] {
        let Some(env) = TestEnv::without_programs("doctor_speaks_of_this_tier", tier, None) else { return };
        for up in [false, true] {
            if up && env.killer(["run", "--name", "svc", "--", "true"]).exit() != 0 {
                skip(&env.test, &format!("no tier {tier} here"));
                break;
            }
            let out = env.killer(["doctor"]);
            let low = out.ok().stdout.to_lowercase();
            assert!(low.contains(&format!("tier: {tier}")), "{out}");
            for word in ["gate c", "gate d", "ebpf object", "maps of", "btf", "lsms", "pidfs", "warn", "fail"]
            {
                assert!(!low.contains(word), "{tier} has no {word}: {out}");
            }
            let json = env.killer(["doctor", "-o", "json"]).ok().json();
            assert!(json.get("object_sha256").is_none(), "{json}");
        }
    }
}

/// A tier of programs that needs no BTF says nothing of it, and does not explain why a better one was not chosen for it.
#[test]
fn doctor_speaks_of_the_tier_that_is_asked_for() {
    let Some(env) = TestEnv::new("doctor_speaks_of_the_tier_that_is_asked_for") else { return };
    let mut command = env.command();
    command.arg("doctor").env("KILLER_TIER", "raw");
    let out = env.finish(command);
    if !out.stdout.contains("tier: raw") {
        return skip(&env.test, "no tier raw here");
    }
    assert!(out.ok().stdout.contains("not a better one: KILLER_TIER asks for this one"), "{out}");
    assert!(!out.stdout.contains(" BTF: "), "{out}");
}

/// No word about what other kernels do.
#[test]
fn doctor_speaks_of_this_kernel() {
    let Some(env) = TestEnv::new("doctor_speaks_of_this_kernel") else { return };
    let out = env.killer(["doctor"]);
    let ours = killer_tests::kernel();
    for line in out.ok().stdout.lines().filter(|l| !l.contains("sha256") && !l.contains(&ours)) {
        let versions = line.split(|c: char| !c.is_ascii_digit() && c != '.').any(|w| {
            let two = w.trim_matches('.').split_once('.');
            two.is_some_and(|(a, b)| matches!(a, "4" | "5" | "6" | "7") && b.parse::<u8>().is_ok())
        });
        assert!(!versions || line.contains("MiB"), "another kernel's: {line}");
    }
}
