//! What only a guest of one's own can show: switches that belong to the whole kernel, and worlds that a host does not
//! offer. `cargo xtask vm` runs each in the variant that it is for.

mod leaders;
mod scarce;

use killer_tests::{Launch, LivePipe, TestEnv, killer, skip};
use std::process::{Command, Stdio};
use std::time::Duration;

const FTRACE: &str = "/proc/sys/kernel/ftrace_enabled";

/// From 6.1 on this silences LSM programs while they stay attached.
#[test]
fn ftrace_switched_off_while_tracking() {
    let test = "ftrace_switched_off_while_tracking";
    let Some(env) = TestEnv::new(test) else { return };
    let Some(service) = Launch::new("bomb").arg("60").service(&env, "bomb") else { return };
    if let Err(e) = std::fs::write(FTRACE, "0") {
        return skip(test, &format!("this kernel does not switch it off: {e}"));
    }
    std::thread::sleep(Duration::from_millis(300));
    service.assert_alive();
    let killed = env.killer(["-s", "KILL", "--who=all", "bomb"]);
    let dead = service.live.eof_within(Duration::from_secs(10));
    let _ = std::fs::write(FTRACE, "1");
    killed.ok();
    assert!(dead, "somebody lives on, and killer said: {killed}");
}

/// The same, switched off before the tracker is loaded: nothing that is inert may be taken for a witness.
#[test]
fn ftrace_switched_off_before() {
    let test = "ftrace_switched_off_before";
    let Some(env) = TestEnv::new(test) else { return };
    if let Err(e) = std::fs::write(FTRACE, "0") {
        return skip(test, &format!("this kernel does not switch it off: {e}"));
    }
    let service = Launch::new("bomb").arg("60").service(&env, "bomb");
    let killed = service.as_ref().map(|_| env.killer(["-s", "KILL", "--who=all", "bomb"]));
    let dead = service.as_ref().is_none_or(|s| s.live.eof_within(Duration::from_secs(10)));
    let _ = std::fs::write(FTRACE, "1");
    if let Some(killed) = &killed {
        killed.ok();
    }
    assert!(dead, "somebody lives on, and killer said: {killed:?}");
}

/// `killer` as it is called without any preparation: default pin root, nothing mounted for it. Its exit code, and what
/// it said on stderr (a file: a detached service would hold a pipe open for as long as it lives).
fn bare(args: &[&str]) -> (Option<i32>, String) {
    let path = std::env::temp_dir().join(format!("bare-{}", std::process::id()));
    let mut command = Command::new(killer());
    command.args(args).env_remove("KILLER_PIN_ROOT").stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(std::fs::File::create(&path).expect("a file")).status().expect("killer");
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    (status.code(), said)
}

/// Either the whole life of a service is right, or the first step is refused in words that an admin understands.
fn right_or_refused(name: &str, words: &[&str]) {
    let (live, write) = LivePipe::new();
    rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::empty()).expect("a descriptor for the members");
    let shell =
        "(for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; sleep 1; done) & (sleep 200 & sleep 200) & sleep 200";
    let (code, said) = bare(&["run", "--name", name, "--detach", "--keep-fds", "--", "/bin/sh", "-c", shell]);
    drop(write);
    if code != Some(0) {
        let lines = said.lines().count();
        assert!((1..=3).contains(&lines), "{lines} lines: {said}");
        assert!(words.iter().any(|w| said.contains(w)), "it does not say why: {said}");
        assert!(live.eof_within(Duration::from_secs(2)), "refused, and yet something runs: {said}");
        return;
    }
    assert!(live.alive(), "the service is dead at once: {said}");
    let (code, said) = bare(&["-s", "KILL", "--who=all", name]);
    assert_eq!(code, Some(0), "{said}");
    assert!(live.eof_within(Duration::from_secs(5)), "somebody lives on");
}

#[test]
fn no_bpffs_is_mounted() {
    right_or_refused("no-bpffs", &["bpffs"]);
}

#[test]
fn inside_a_pid_namespace() {
    right_or_refused("namespace", &["PID namespace"]);
}

#[test]
fn an_unprivileged_user() {
    right_or_refused("nobody", &["CAP_", "root", "not permitted", "privilege"]);
}
