//! The adversaries themselves: each gets into the shape it claims, and each is gone by its deadline without any help.

use killer_tests::{Bystander, Journal, Launch, Pidfd, TestEnv, adversary, eventually, proc_state};
use rustix::process::Signal;
use std::time::Duration;

/// Needs an argument that only a test can make, or a PID from another behaviour.
const SPECIAL: &[&str] = &[
    "leaves-cgroup",
    "clone-into-cgroup",
    "claim-pid",
    "far",
    "evasive-link",
    "tick",
    "fork-threads",
    "signal-log",
    "fork-beat",
    "fork-count",
    "tracer",
    "evidence-files",
    "evidence-apart",
    "evidence-names",
    "evidence-restless",
    "evidence-fuse",
    "fuse-client",
    "dropper",
    "dropper-stage",
    "dropper-beacon",
    "collector",
];

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

fn direct(behaviour: &str) -> Option<Bystander> {
    Launch::new(behaviour).lease(10).direct(&format!("shape {behaviour}"))
}

fn fact(shape: &Bystander, key: &str) -> i32 {
    let words = shape.facts.iter().flat_map(|f| f.split_whitespace());
    let found = words.filter_map(|w| w.strip_prefix(key)?.strip_prefix('=')).find_map(|v| v.parse().ok());
    found.unwrap_or_else(|| panic!("no {key} in {:?}", shape.facts))
}

fn status(pid: i32, field: &str) -> String {
    let text = std::fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn orphans_have_another_parent() {
    let shape = direct("double-fork").expect("no reason to skip");
    let orphan = fact(&shape, "orphan");
    assert_ne!(status(orphan, "PPid"), shape.pid().to_string());
    assert_eq!(status(orphan, "PPid"), fact(&shape, "parent").to_string());
}

#[test]
fn clone_parent_makes_siblings() {
    let shape = direct("clone-parent").expect("no reason to skip");
    assert_eq!(fact(&shape, "parent"), std::process::id() as i32);
    assert_eq!(status(shape.pid(), "PPid"), status(fact(&shape, "pid"), "PPid"));
}

#[test]
fn a_leader_is_a_zombie_and_the_group_lives() {
    let shape = direct("leader-exits").expect("no reason to skip");
    let leader = fact(&shape, "leader");
    assert_eq!(proc_state(leader), Some('Z'));
    assert!(Pidfd::open(leader).is_some_and(|p| p.alive()), "the thread group has ended");
    assert_eq!(status(fact(&shape, "child"), "PPid"), leader.to_string());
}

#[test]
fn another_user() {
    let Some(shape) = direct("setuid-child") else { return };
    let uid = fact(&shape, "uid");
    let theirs = processes().into_iter().filter(|p| status(*p, "Uid") == format!("{uid} {uid} {uid} {uid}"));
    assert_eq!(theirs.count(), 2);
}

#[test]
fn a_namespace_within_a_namespace() {
    let Some(shape) = direct("pid-ns") else { return };
    let me = std::process::id() as i32;
    let deepest = processes().into_iter().map(|p| status(p, "NSpid").split(' ').count()).max();
    assert!(deepest >= Some(status(me, "NSpid").split(' ').count() + 2), "{:?}", shape.facts);
}

#[test]
fn stopped_and_traced() {
    let shape = direct("self-stopped").expect("no reason to skip");
    assert_eq!([fact(&shape, "pid"), fact(&shape, "child")].map(proc_state), [Some('T'); 2]);
    let Some(shape) = direct("ptraced") else { return };
    assert_eq!(proc_state(fact(&shape, "victim")), Some('t'));
}

#[test]
fn a_partner_comes_back() {
    let shape = direct("revive").expect("no reason to skip");
    let [a, b] = [fact(&shape, "pid"), fact(&shape, "partner")].map(|p| Pidfd::open(p).expect("a partner"));
    b.signal(Signal::KILL);
    assert!(b.ends_within(Duration::from_secs(2)));
    let revived = || children(a.pid).into_iter().any(|p| p != b.pid);
    assert!(eventually(Duration::from_secs(2), revived), "nobody came back");
    let second = children(a.pid).into_iter().find(|p| *p != b.pid).expect("the revived one");
    a.signal(Signal::KILL);
    assert!(eventually(Duration::from_secs(2), || !children(second).is_empty()), "nobody came back");
    assert!(shape.live.alive());
}

#[test]
fn chains_hop_and_the_bomb_is_bounded() {
    let shape = Launch::new("chains").lease(4).direct("shape chains").expect("no reason to skip");
    assert!(shape.live.alive());
    let Some(bomb) = Launch::new("bomb").arg("100").lease(12).direct("shape bomb") else { return };
    let uid = fact(&bomb, "uid").to_string();
    let count = || processes().into_iter().filter(|p| status(*p, "Uid").starts_with(&uid)).count();
    assert!(eventually(Duration::from_secs(10), || (50..=100).contains(&count())), "{} processes", count());
    for shape in [shape, bomb] {
        assert!(shape.live.eof_within(Duration::from_secs(20)), "{:?} outlives its deadline", shape.facts);
    }
}

#[test]
fn a_cgroup_is_left() {
    let Some(mut env) = TestEnv::reusing("shape leaves-cgroup") else { return };
    let Some(dir) = env.cgroup() else { return };
    for behaviour in ["leaves-cgroup", "clone-into-cgroup"] {
        let launch = Launch::new(behaviour).arg(dir.to_string_lossy()).lease(3);
        let Some(shape) = launch.direct(&format!("shape {behaviour}")) else { continue };
        let inside = || std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        assert_eq!(inside().lines().count(), 2, "{behaviour}: {}", inside());
        assert!(shape.live.eof_within(Duration::from_secs(10)));
        // A process lets go of its files first, and of its cgroup a moment later (`kernel/exit.c:do_exit`).
        assert!(eventually(Duration::from_secs(10), || inside().is_empty()), "{behaviour}: {}", inside());
    }
}

#[test]
fn a_number_is_taken() {
    let first = direct("pid-reuse").expect("no reason to skip");
    let dead = fact(&first, "dead");
    let Some(second) = Launch::new("claim-pid").arg(dead.to_string()).direct("shape claim-pid") else {
        return;
    };
    assert_eq!(second.facts, [format!("pid={dead}")]);
}

/// The counters are themselves right: a signal to the whole process group is exactly one for each path of descent.
#[test]
fn counters_count() {
    let Some(env) = TestEnv::reusing("shape fork-count") else { return };
    let path = env.path("count");
    let launch = Launch::new("fork-count").arg(path.to_string_lossy()).own_group();
    let Some(shape) = launch.direct("shape fork-count") else { return };
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(100));
        // SAFETY: a signal to the process group of our own child, which lives.
        unsafe { libc::kill(-shape.pid(), libc::SIGRTMIN() + 1) };
    }
    std::fs::write(env.path("count.stop"), "").expect("stop file");
    assert!(shape.live.eof_within(Duration::from_secs(10)));
    let lines = Journal::new(path).next(11);
    assert!(lines.len() >= 11 && lines.iter().all(|l| l.ends_with(" 3")), "{lines:?}");
}

fn processes() -> Vec<i32> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|e| e.file_name().to_string_lossy().parse().ok()).collect()
}

fn children(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|p| p.parse().ok()).filter(|p| proc_state(*p) != Some('Z')).collect()
}
