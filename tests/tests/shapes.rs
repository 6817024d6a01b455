//! The adversaries themselves: each gets into shape, and each is gone by its deadline without any help.

use killer_tests::{Launch, adversary};
use std::time::Duration;

/// Needs an argument that only a test can make, or a PID from another behaviour.
const SPECIAL: &[&str] = &["leaves-cgroup", "clone-into-cgroup", "claim-pid", "signal-log", "fork-beat"];

#[test]
fn every_shape_stands_and_ends_by_itself() {
    let list = std::process::Command::new(adversary()).arg("list").output().expect("list of behaviours");
    let names = String::from_utf8(list.stdout).expect("names are ASCII");
    assert!(names.lines().count() > 25);
    let shapes: Vec<_> = names
        .lines()
        .filter(|n| !SPECIAL.contains(n))
        .filter_map(|n| Some((n, Launch::new(n).lease(5).direct(&format!("shape {n}"))?)))
        .collect();
    for (name, shape) in &shapes {
        assert!(shape.live.eof_within(Duration::from_secs(15)), "'{name}' outlives its deadline");
    }
}
