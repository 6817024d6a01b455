//! The recorder (`up --lineage`): who forked whom on the whole host, what each has executed, and adoptions that are exact by it.

mod bounds;
mod senders;

use killer_tests::{Bystander, Launch, TestEnv, eventually, pids, skip};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(10);

/// A tracker of its own that records; `None` after a skip.
fn recording(test: &str, of: &str) -> Option<TestEnv> {
    few(test, of, None)
}

/// The same, with so many nodes and execs at most.
fn few(test: &str, of: &str, most: Option<&str>) -> Option<TestEnv> {
    let env = TestEnv::new(test)?.alone();
    let mut up = env.command();
    up.args(["up", &format!("--lineage={of}")]).envs(most.map(|n| ("KILLER_MAP_NODES", n)));
    let up = env.finish(up);
    if up.exit() != 0 && up.stderr.contains("the kernel's BTF") {
        skip(test, up.stderr.trim());
        return None;
    }
    up.ok();
    Some(env)
}

fn why(env: &TestEnv, pid: i32) -> Value {
    env.killer(["why", "-o", "json", &pid.to_string()]).ok().json()
}

fn line(of: &Value) -> Vec<Value> {
    of["chain"].as_array().expect("a chain").clone()
}

/// The last process of a line, and what it has executed.
fn executed(of: &Value) -> Vec<Value> {
    line(of).last().and_then(|l| l["executed"].as_array().cloned()).unwrap_or_default()
}

fn exact(env: &TestEnv, name: &str) -> Value {
    env.killer(["status", "-o", "json", name]).ok().json()["exactness"].clone()
}

fn dead(pid: i32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// What a job has left behind in sessions of its own, through ancestors that are dead: named afterwards, whole, and nobody else.
const LEFT: &str = "setsid sh -c '( setsid sleep 300 & setsid sleep 300 & echo ready a=$$ > $1; exit ) & exit' sh $1 & sleep 0.2; exit";

#[test]
fn a_job_that_is_over_is_taken_in_whole() {
    let Some(env) = recording("a_job_that_is_over_is_taken_in_whole", "all") else { return };
    let stranger = Bystander::new(&env.test);
    let Some(mut job) = Launch::shell(LEFT).direct(&env.test) else { return };
    let top = job.pid();
    job.wait();
    assert!(eventually(LONG, || dead(top)), "{top} lives");
    let taken = env.killer(["adopt", "job", "--of", &top.to_string()]);
    assert!(taken.ok().stderr.contains("; exact"), "{taken}");
    let tree = env.killer(["tree", "-o", "json", "job"]).ok().json();
    assert_eq!(pids(&tree).len(), 2, "{tree}");
    assert_eq!(exact(&env, "job")["exact"], true);
    let first = line(&why(&env, *pids(&tree).first().expect("one")));
    assert!(first.iter().any(|l| l["pid"] == top && l["alive"] == false), "{first:?}");
    // Who is in a service already is said, and stays there.
    env.killer(["adopt", "again", "--of", &top.to_string()])
        .error(1, &["nobody was taken in", "already", "why"]);
    env.killer(["--require-exact", "-s", "KILL", "--wait", "job"]).ok();
    assert!(job.live.eof_within(LONG), "one lives");
    stranger.assert_untouched();
    env.killer(["adopt", "again", "--of", &top.to_string()]).error(1, &["nobody"]);
}

/// A process that was born since is exact with what descends from it; one that was there before is not.
#[test]
fn what_was_born_since_is_exact() {
    let Some(env) = TestEnv::new("what_was_born_since_is_exact").map(TestEnv::alone) else { return };
    let Some(before) = Launch::new("plain").direct(&env.test) else { return };
    let up = env.killer(["up", "--lineage=all"]);
    if up.exit() != 0 {
        return skip(&env.test, up.stderr.trim());
    }
    let Some(since) = Launch::new("plain").direct(&env.test) else { return };
    // Asked for again, it goes on as it is.
    env.killer(["up", "--lineage=all"]).ok();
    for (it, name, is) in [(&before, "before", false), (&since, "since", true)] {
        env.killer(["adopt", name, "--pid", &it.pid().to_string()]).ok();
        assert_eq!(exact(&env, name)["exact"], is, "{name}: {}", exact(&env, name));
        let tree = env.killer(["tree", "-o", "json", name]).ok().json();
        assert_eq!(pids(&tree).len(), 2, "{tree}");
        env.killer(["-s", "KILL", name]).ok();
        assert!(it.live.eof_within(LONG), "{name} lives");
    }
}

/// By a program that it has executed: the one, and where there are several they are named.
#[test]
fn by_the_program() {
    let Some(env) = recording("by_the_program", "all") else { return };
    // By its own name: it may be one of many in a busybox.
    let program = env.path("step/sleep");
    std::fs::create_dir(env.path("step")).expect("a directory");
    std::fs::copy("/bin/sleep", &program).expect("a copy");
    let of = program.to_string_lossy().into_owned();
    env.killer(["adopt", "svc", "--of", &of]).error(1, &["nobody is known"]);
    let start = || Command::new(&program).arg("60").spawn().expect("it starts");
    let mut one = start();
    let is_there = |pid: u32| eventually(LONG, || !executed(&why(&env, pid as i32)).is_empty());
    assert!(is_there(one.id()), "nothing is recorded");
    env.killer(["adopt", "svc", "--of", &of]).ok();
    assert_eq!(exact(&env, "svc")["exact"], true);
    env.killer(["-s", "KILL", "svc"]).ok();
    let _ = one.wait();
    // The path is known from the directory where it was executed, too.
    let by_hand = Command::new("sh")
        .args(["-c", "cd \"$0\" && exec ./sleep 60"])
        .arg(program.parent().expect("a directory"))
        .spawn();
    let mut two = [start(), by_hand.expect("it starts")];
    let number = two[1].id().to_string();
    let by_path = || executed(&why(&env, two[1].id() as i32)).iter().any(|e| e["file"]["path"] == "./sleep");
    assert!(is_there(two[0].id()) && eventually(LONG, by_path), "{number}");
    let answer = env.killer(["adopt", "more", "--of", &of]);
    let number = two[0].id().to_string();
    answer.error(1, &["more than one is meant", &number, &two[1].id().to_string(), "--of PID"]);
    // The file may be gone: its path as it was executed is known.
    std::fs::remove_file(&program).expect("removed");
    env.killer(["adopt", "first", "--of", &number]).ok();
    env.killer(["-s", "KILL", "first"]).ok();
    let _ = two[0].wait();
    env.killer(["adopt", "second", "--of", &of]).ok();
    env.killer(["-s", "KILL", "second"]).ok();
    let _ = two[1].wait();
}

/// What a process has executed, which has lasted for a moment only: path, arguments, directory, script, deleted, in memory.
#[test]
fn execs_are_remembered() {
    let Some(env) = recording("execs_are_remembered", "all") else { return };
    let place = env.path("work");
    std::fs::create_dir(&place).expect("a directory");
    let script = "cd $2 && printf '#!/bin/sh\\nexec /bin/sh -c \"$1\" sh \"$2\"\\n' > it && chmod 755 it && cp /bin/sleep sleep && \
                  exec ./it 'echo ready a=$$ > $1; exec ./sleep 60' $1";
    let mut launch = Launch::shell(script);
    launch = launch.arg(place.to_string_lossy());
    let Some(it) = launch.direct(&env.test) else { return };
    let a: i32 = it.facts.iter().find_map(|f| f.split("a=").nth(1)?.trim().parse().ok()).expect("a number");
    let is_last = || executed(&why(&env, a)).last().is_some_and(|e| e["file"]["path"] == "./sleep");
    assert!(eventually(LONG, is_last), "{}", why(&env, a));
    let all = executed(&why(&env, a));
    let paths: Vec<&str> = all.iter().filter_map(|e| e["file"]["path"].as_str()).collect();
    assert!(paths.ends_with(&["./it", "/bin/sh", "./sleep"]), "{paths:?}");
    let (it_script, last) = (&all[all.len() - 3], &all[all.len() - 1]);
    assert_eq!((&it_script["script"], &last["script"]), (&true.into(), &false.into()), "{all:?}");
    assert_eq!(last["args"], serde_json::json!(["./sleep", "60"]), "{last}");
    assert_eq!(last["directory"].as_str(), place.canonicalize().expect("a path").to_str(), "{last}");
    assert_eq!(last["deleted"], false, "{last}");
    assert!(
        last["name"] == "sleep" && last["file"]["ino"].as_u64() > Some(0) && last["uid"] == last["euid"],
        "{last}"
    );
    let text = env.killer(["why", &a.to_string()]).ok().stdout.clone();
    assert!(
        text.contains("exec ./it") && text.contains("a script") && text.contains("exec ./sleep 60"),
        "{text}"
    );
    // It descends from this test, and from what has started that.
    let above = line(&why(&env, a));
    assert!(above.iter().any(|l| l["pid"] == std::process::id()), "{above:?}");
    assert_eq!(why(&env, a)["member"], false);
}

/// A program that was never a file, and one whose file is gone when it begins.
#[test]
fn from_memory_and_deleted() {
    let Some(env) = recording("from_memory_and_deleted", "services") else { return };
    let Some(service) = Launch::new("memfd-exec").service(&env, "svc") else { return };
    let members = pids(&env.killer(["tree", "-o", "json", "svc"]).ok().json());
    let from_memory =
        |p: &i32| executed(&why(&env, *p)).iter().any(|e| e["memory"] == true && e["deleted"] == false);
    assert!(members.iter().any(from_memory), "{members:?}");
    // The evidence has it, too.
    let tar = env.path("svc.tar").to_string_lossy().into_owned();
    env.killer(["capture", "svc", "--out", &tar]).ok();
    let mut kept = tar::Archive::new(std::fs::File::open(&tar).expect("the capture"));
    let recorded = kept.entries().expect("entries").map(|e| e.expect("an entry"));
    let mut recorded = recorded.filter(|e| e.path().is_ok_and(|p| p.as_os_str() == "recorded.ndjson"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut recorded.next().expect("what was recorded"), &mut text).expect("text");
    let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
    let all: Vec<Value> = lines.flat_map(|l| l["executed"].as_array().cloned().unwrap_or_default()).collect();
    assert!(all.iter().any(|e| e["memory"] == true), "{all:?}");
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
    let file = env.path("gone/sleep");
    std::fs::create_dir(env.path("gone")).expect("a directory");
    std::fs::copy("/bin/sleep", &file).expect("a copy");
    let script = format!(
        "exec 7< {0}; rm {0}; ln -s /proc/self/fd/7 {0}; echo ready a=$$ > $1; exec {0} 60",
        file.display()
    );
    let Some(service) = Launch::shell(&script).service(&env, "gone") else { return };
    let deleted = || {
        executed(&why(&env, service.fact("a")))
            .last()
            .is_some_and(|e| e["deleted"] == true && e["name"] == "sleep")
    };
    assert!(eventually(LONG, deleted), "{}", why(&env, service.fact("a")));
    env.killer(["-s", "KILL", "gone"]).ok();
    service.assert_dead();
}

/// Only members: others are not recorded, and cost nothing.
#[test]
fn members_only() {
    let Some(env) = recording("members_only", "services") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    assert!(executed(&why(&env, service.fact("pid"))).iter().any(|e| e["file"]["path"].is_string()));
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = child.id().to_string();
    env.killer(["why", &pid]).error(1, &["no member"]);
    env.killer(["adopt", "other", "--of", &pid]).error(1, &["not recorded"]);
    // More is recorded from here on, and nothing is forgotten; less, and it is.
    env.killer(["up", "--lineage=all"]).ok();
    assert_eq!(why(&env, child.id() as i32)["member"], false);
    assert!(!executed(&why(&env, service.fact("pid"))).is_empty());
    let less = env.killer(["up", "--lineage=services"]);
    assert!(less.ok().stderr.contains("forgotten"), "{less}");
    env.killer(["why", &pid]).error(1, &["no member"]);
    env.killer(["up", "--lineage=off"]).ok();
    let _ = child.kill();
    let _ = child.wait();
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}
