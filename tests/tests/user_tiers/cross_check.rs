//! The named hierarchy beside the programs.

use killer_tests::{Bystander, Launch, TestEnv};
use std::path::PathBuf;

/// The named hierarchy as a cross-check of the programs: it agrees, and who is in one of the two only is a reason.
#[test]
fn cross_check() {
    let Some(env) = TestEnv::new("cross_check") else { return };
    let up = env.killer(["up", "--cross-check=named"]);
    if up.stderr.contains("named cgroup v1 hierarchy") {
        killer_tests::skip("cross_check", up.stderr.trim());
        return;
    }
    up.ok().silent();
    env.killer(["up", "--witness=named"]).ok().silent();
    let agrees = |name: &str| {
        let out = env.killer(["status", name]);
        assert!(!out.stdout.contains("named cgroup hierarchy"), "{out}");
    };
    for behaviour in
        ["daemon", "double-fork", "leader-exits", "thread-storm", "exec-nonleader", "chains", "star"]
    {
        let Some(service) = Launch::new(behaviour).service(&env, behaviour) else { continue };
        agrees(behaviour);
        env.killer(["-s", "KILL", behaviour]).ok().silent();
        service.assert_dead();
        agrees(behaviour);
        env.killer(["forget", behaviour]).ok();
    }
    let mount = env.path("run/named/mnt");
    let Some(service) = Launch::new("daemon").service(&env, "mover") else { return };
    let json = env.killer(["-n", "-s", "KILL", "-o", "json", "mover"]).ok().json();
    let targets = json["targets"].as_array().expect("targets");
    let member = targets.last().and_then(|t| t["pid"].as_i64()).expect("a member");
    std::fs::write(mount.join("cgroup.procs"), member.to_string()).expect("move of a member");
    env.killer(["--require-exact", "-s", "KILL", "mover"]).error(5, &["named cgroup hierarchy"]);
    let list = env.killer(["list"]).ok().stdout.clone();
    assert!(list.contains("witness-differs"), "{list}");
    env.killer(["verify", "mover"]);
    // A stranger in the directory of a service: not touched, but never ignored.
    let bystander = Bystander::new("cross_check");
    let Some(other) = Launch::new("daemon").service(&env, "host") else { return };
    let json = env.killer(["-n", "-s", "KILL", "-o", "json", "host"]).ok().json();
    let member = json["targets"][0]["pid"].as_i64().expect("a member").to_string();
    let dirs = std::fs::read_dir(&mount).expect("hierarchy").flatten().map(|e| e.path().join("cgroup.procs"));
    let has = |f: &PathBuf| std::fs::read_to_string(f).is_ok_and(|t| t.lines().any(|l| l == member));
    let procs = dirs.into_iter().find(has).expect("the service's directory");
    std::fs::write(procs, bystander.pid().to_string()).expect("move of a stranger");
    env.killer(["-s", "KILL", "*"]).ok();
    service.assert_dead();
    other.assert_dead();
    bystander.assert_untouched();
    let list = env.killer(["list"]).ok().stdout.clone();
    assert_eq!(list.matches("witness-differs").count(), 2, "{list}");
    env.killer(["down"]).ok();
    assert!(!mount.exists(), "the hierarchy is left mounted");
}
