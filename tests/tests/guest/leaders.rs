//! Which kernels spare a process whose leader thread has exited when its cgroup is killed: `cargo xtask peers --leaders`.

use killer_tests::{Launch, Pidfd, kernel, skip};
use std::path::Path;
use std::time::Duration;

const CGROUP: &str = "/sys/fs/cgroup";

/// Measures, and asserts nothing: what it finds is the kernel's own.
#[test]
fn cgroup_kill() {
    let test = "cgroup_kill";
    let dir = Path::new(CGROUP).join("leaders");
    if std::fs::create_dir(&dir).is_err() || !dir.join("cgroup.procs").exists() {
        return skip(test, "no cgroup v2");
    }
    let switch = dir.join("cgroup.kill");
    let outcome = if switch.exists() {
        let Some(it) = Launch::new("leader-exits").direct(test) else { return };
        let leader = it.pid();
        std::fs::write(dir.join("cgroup.procs"), leader.to_string()).expect("the group of the process");
        // Its children that were born before.
        let task = format!("/proc/{leader}/task");
        for thread in std::fs::read_dir(&task).expect("threads").flatten() {
            let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in list.split_whitespace() {
                let _ = std::fs::write(dir.join("cgroup.procs"), child);
            }
        }
        let live = it.live.alive();
        std::fs::write(switch, "1").expect("cgroup.kill");
        let dead = it.live.eof_within(Duration::from_secs(3));
        if let Some(whole) = Pidfd::open(leader) {
            whole.signal(rustix::process::Signal::KILL);
        }
        assert!(live && it.live.eof_within(Duration::from_secs(5)), "it was not there, or does not end");
        if dead { "ends it" } else { "spares it" }
    } else {
        "there is none"
    };
    println!("FIGURES leaders {}", serde_json::json!({ "kernel": kernel(), "outcome": outcome }));
    let _ = std::fs::remove_dir(&dir);
}
