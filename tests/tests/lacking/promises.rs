//! `doctor` promises the tier that comes, whatever is missing: both go one way.

use std::os::unix::process::CommandExt;
use std::process::Command;

use killer_tests::{Out, TestEnv, find, skip};

/// What is missing, for a command.
type Missing = fn(&mut Command);

fn nothing(_: &mut Command) {}

fn bpf(command: &mut Command) {
    super::without(command, &[(libc::SYS_bpf, libc::EPERM)]);
}

fn bpf_and_mounts(command: &mut Command) {
    super::without(command, &[(libc::SYS_bpf, libc::EPERM), (libc::SYS_mount, libc::EPERM)]);
}

fn bpf_unknown(command: &mut Command) {
    super::without(command, &[(libc::SYS_bpf, libc::ENOSYS)]);
}

fn privileges(command: &mut Command) {
    // SAFETY: prctl with plain numbers, between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_CAPBSET_DROP, 21, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

fn old_kernel(command: &mut Command) {
    command.env("KILLER_LACK", "map-freeze,mmapable,prog-run,batch");
}

fn tier_of(out: &Out) -> String {
    find(&out.json(), &["tier"]).and_then(|t| t.as_str().map(str::to_owned)).unwrap_or_default()
}

#[test]
fn the_tier_that_comes_is_the_one_that_was_promised() {
    let test = "the_tier_that_comes_is_the_one_that_was_promised";
    if std::env::var_os("KILLER_TIER").is_some() {
        skip(test, "a tier is asked for");
        return;
    }
    let all: [(&str, Missing); 6] = [
        ("nothing", nothing),
        ("bpf(2)", bpf),
        ("bpf(2) and mount(2)", bpf_and_mounts),
        ("a bpf(2) that is known", bpf_unknown),
        ("CAP_SYS_ADMIN", privileges),
        ("what kernels before 5.2 lack", old_kernel),
    ];
    for (what, missing) in all {
        let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
        let killer = |args: &[&str]| {
            let mut command = env.command();
            command.args(args);
            missing(&mut command);
            env.finish(command)
        };
        let left = |what: &std::path::Path| std::fs::read_dir(what).map_or(0, |d| d.count());
        let promised = tier_of(killer(&["doctor", "-o", "json"]).ok());
        assert_eq!((left(&env.pin_root), left(&env.path("run"))), (0, 0), "{what}: doctor leaves something");
        killer(&["run", "--name", "svc", "--", "true"]).ok();
        let came = tier_of(&killer(&["status", "-o", "json", "svc"]));
        assert_eq!(promised, came, "without {what} another tier comes than was promised");
        killer(&["forget", "--ended"]);
        killer(&["down"]);
    }
}

/// A bpffs that is not there and cannot be mounted: `run` fails where the place was chosen, and `doctor` does not promise programs.
#[test]
fn no_place_for_pins() {
    let test = "no_place_for_pins";
    let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
    if std::env::var_os("KILLER_TIER").is_some() {
        skip(test, "a tier is asked for");
        return;
    }
    let without = |args: &[&str]| {
        let killer = env.command();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg("mount -t tmpfs none /sys/fs || exit 99; exec \"$@\"").arg("sh");
        command.arg(killer.get_program()).args(args);
        command.envs(killer.get_envs().filter_map(|(k, v)| Some((k, v?))));
        env.finish(command)
    };
    let doctor = without(&["doctor"]);
    if doctor.exit() == 99 || doctor.stderr.contains("unshare") {
        skip(test, "nothing can be mounted over /sys/fs");
        return;
    }
    let low = doctor.stdout.to_lowercase();
    assert!(!low.contains("tier: witnessed") && !low.contains("tier: typed"), "{doctor}");
    assert!(low.contains("no bpffs for"), "it does not say why: {doctor}");
    without(&["up"]).error(1, &["no bpffs"]);
}
