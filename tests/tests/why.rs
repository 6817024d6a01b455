//! `killer why`: the forks that lead to a process.

use killer_tests::{Launch, Out, TestEnv, eventually, everywhere};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// Three that end at once, each below the other, and below them one that lives.
const ORPHAN: &str = "( ( ( sleep 60 & echo ready child=$! > $1 ) & ) & ) & exec sleep 60";

fn why(env: &TestEnv, pid: i32) -> Out {
    env.killer(["why", "-o", "json", &pid.to_string()])
}

fn pids(of: &Value) -> Vec<i64> {
    of["chain"].as_array().expect("a chain").iter().filter_map(|l| l["pid"].as_i64()).collect()
}

#[test]
fn dead_ancestors_are_in_the_line() {
    let Some(env) = TestEnv::reusing("dead_ancestors_are_in_the_line") else { return };
    let Some(service) = Launch::shell(ORPHAN).service(&env, "svc") else { return };
    let child = service.fact("child");
    let ended = || {
        let known = why(&env, child).ok().json();
        let alive = known["chain"].as_array().expect("a chain").iter().map(|l| l["alive"] == true);
        alive.collect::<Vec<_>>() == [true, false, false, false, true]
    };
    assert!(eventually(Duration::from_secs(10), ended), "{}", why(&env, child));
    let known = why(&env, child).ok().json();
    let line = known["chain"].as_array().expect("a chain");
    assert_eq!((&known["service"], &known["alive"]), (&"svc".into(), &true.into()), "{known}");
    assert!(known["unknown_ancestors"].is_null() && known["exactness"]["exact"] == true, "{known}");
    for (up, it) in line.iter().zip(&line[1..]) {
        assert_eq!(it["creator"], up["pid"], "{known}");
    }
    let how: Vec<&str> = line.iter().filter_map(|l| l["how"].as_str()).collect();
    assert_eq!(how, ["started", "forked", "forked", "forked", "forked"], "{known}");
    assert!(line[4]["program"].as_str().is_some_and(|p| p.contains('/')) && line[4]["execs"] == 1, "{known}");
    let text = env.killer(["why", &child.to_string()]).ok().stdout.clone();
    assert_eq!((text.lines().count(), text.matches("; ended ").count()), (6, 3), "{text}");
    // An ancestor that is dead can be asked for, too; its inode names it where the number is another's.
    let dead = &line[2];
    let number = dead["pid"].to_string();
    let above = env.killer(["why", "-o", "json", &number]).ok().json();
    assert_eq!((pids(&above), &above["alive"]), (pids(&known)[..3].to_vec(), &false.into()), "{above}");
    if let Some(inode) = dead["inode"].as_u64() {
        env.killer(["why", &format!("{number}:{inode}")]).ok();
        env.killer(["why", &format!("{number}:{}", inode + 1)]).error(1, &["no process", &number]);
    }
    for (format, begins) in [("dot", "digraph"), ("mermaid", "flowchart"), ("svg", "<svg ")] {
        let drawn = env.killer(["why", "-o", format, &child.to_string()]).ok().stdout.clone();
        assert!(drawn.starts_with(begins) && drawn.matches("ended").count() == 3, "{drawn}");
        env.killer(["tree", "-o", format, "svc"]).ok();
    }
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    // It has forked nobody: that it was a member is known for a while, its line is not.
    let after = why(&env, child);
    assert!([0, 1].contains(&after.exit()), "{after}");
    if after.exit() == 1 {
        after.error(1, &[&child.to_string()]);
    }
}

/// Services in each other, and control processes: the line goes through both.
#[test]
fn the_line_goes_through_services() {
    let Some(env) = TestEnv::reusing("the_line_goes_through_services") else { return };
    let inner = format!(
        "{} run --name inner -- sh -c 'echo ready a=$$ > $0' \"$1\"; sleep 60",
        killer_tests::killer().display()
    );
    let script = inner.replace("> $0'", "> $0; exec sleep 60'");
    let Some(outer) = Launch::shell(&script).service(&env, "outer") else { return };
    let known = why(&env, outer.fact("a")).ok().json();
    assert_eq!((&known["service"], &known["inside"][0]), (&"inner".into(), &"outer".into()), "{known}");
    let line = known["chain"].as_array().expect("a chain");
    let services: Vec<&str> = line.iter().filter_map(|l| l["service"].as_str()).collect();
    assert!(services.starts_with(&["outer"]) && services.ends_with(&["inner"]), "{known}");
    env.killer(["-s", "KILL", "--wait", "outer"]).ok();
    outer.assert_dead();
}

/// Before an adoption nobody recorded anything; who is not tracked has no line, and the way to have one is said.
#[test]
fn what_was_not_recorded_is_said() {
    let Some(env) = TestEnv::reusing("what_was_not_recorded_is_said") else { return };
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = child.id().to_string();
    env.killer(["why", &pid]).error(1, &["no member", "adopt NAME"]);
    let adopted = env.killer(["adopt", "svc", "--pid", &pid]);
    let known = env.killer(["why", "-o", "json", &pid]);
    env.killer(["-s", "KILL", "svc"]);
    let _ = child.kill();
    let _ = child.wait();
    adopted.ok();
    let known = known.ok().json();
    assert_eq!((pids(&known), &known["chain"][0]["how"]), (vec![i64::from(child.id())], &"adopted".into()));
    env.killer(["why", "1"]).error(1, &["init"]);
    env.killer(["why", "4194304"]).error(1, &["no process"]);
    env.killer(["why", "svc"]).code(2);
    env.killer(["list", "-o", "svg"]).code(2);
}

/// In each tier: who is asked for is there, and what that tier does not record is said.
#[test]
fn every_tier_answers() {
    everywhere("why_every_tier_answers", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let child = service.fact("child");
        let known = why(env, child).ok().json();
        assert_eq!(pids(&known).last(), Some(&i64::from(child)), "{}: {known}", env.test);
        let whole = pids(&known).len() == 2;
        assert!(whole || !known["unknown_ancestors"].is_null(), "{}: {known}", env.test);
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    });
}
