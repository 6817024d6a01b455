//! Ways to lose sight of a member, provoked one by one: each is noticed and said (docs/internals/EXACTNESS.md).

use killer_tests::{Bystander, Launch, Out, TestEnv, skip};
use std::time::Duration;

/// `killer ARGS` whose maps hold that many tasks.
#[track_caller]
fn cramped(env: &TestEnv, entries: u32, args: &[&str]) -> Out {
    let mut command = env.command();
    command.env("KILLER_MAP_TASKS", entries.to_string()).args(args);
    env.finish(command)
}

/// Codes of the reasons that a JSON output names.
fn reasons(out: &Out) -> Vec<String> {
    let json = out.json();
    let list =
        killer_tests::find(&json, &["reasons"]).and_then(|r| r.as_array()).cloned().unwrap_or_default();
    list.iter().filter_map(|r| r["code"].as_str().map(String::from)).collect()
}

/// L5: more tasks than the maps hold. A witness refuses the fork, and the set stays exact; without one the births that
/// could not be recorded are a reason, and nobody calls the set exact.
#[test]
fn full_maps() {
    let test = "full_maps";
    let Some(env) = TestEnv::new(test) else { return };
    let bystander = Bystander::new(test);
    let run = |args: &[&str]| cramped(&env, 64, args);
    run(&["up"]).ok();
    let mut command = env.command();
    command.env("KILLER_MAP_TASKS", "64").args(["run", "--name", "svc", "--detach", "--keep-fds", "--"]);
    // Whom nobody knows ends by its own lease.
    let Some((running, service)) = Launch::new("bomb").arg("150").lease(12).under(&env, command, "svc")
    else {
        return;
    };
    running.finish(Duration::from_secs(20)).ok();
    let status = run(&["status", "-o", "json", "svc"]);
    let full = reasons(&status).contains(&"map-full".to_owned());
    let witnessed = status.ok().json()["tier"] == "witnessed";
    assert_eq!(full, !witnessed, "{status}");
    run(&["list"]).ok();
    let kill = run(&["-s", "KILL", "-o", "json", "svc"]);
    if witnessed {
        kill.ok();
        service.assert_dead();
    } else {
        assert_eq!(kill.json()["exactness"]["exact"], false, "{kill}");
        assert!(reasons(&kill).contains(&"map-full".to_owned()), "{kill}");
        run(&["--require-exact", "-s", "KILL", "svc"]).error(5, &["exact"]);
        assert!(service.live.eof_within(Duration::from_secs(30)), "the lease of the others did not end them");
    }
    bystander.assert_untouched();
}

/// A tracker whose map of births answers EBUSY so often to each fourth process.
fn refusing(test: &str, births: u32, exits: u32) -> Option<TestEnv> {
    let env = TestEnv::new(test)?;
    let mut up = env.command();
    up.arg("up")
        .env("KILLER_REFUSE_BIRTHS", births.to_string())
        .env("KILLER_REFUSE_EXITS", exits.to_string());
    env.finish(up).ok();
    // The hooks are attached at the first service. A canary sings then, and one that has an unlucky number is heard in vain.
    let awake = || env.killer(["run", "--name", "awake", "--detach", "--", "sleep", "120"]).exit() == 0;
    assert!((0..20).any(|_| awake()), "twenty canaries with unlucky numbers");
    Some(env)
}

/// L3, L4: the map refuses for a moment: a bucket is busy, or its lock not to be had. It is tried again, and nothing is lost:
/// four refusals to each fourth birth and end.
#[test]
fn a_map_that_refuses_for_a_moment() {
    let test = "a_map_that_refuses_for_a_moment";
    let Some(env) = refusing(test, 4, 4) else { return };
    let bystander = Bystander::new(test);
    for behaviour in ["bomb", "chains"] {
        let Some(service) = Launch::new(behaviour).arg("60").service(&env, behaviour) else { return };
        std::thread::sleep(Duration::from_millis(300));
        env.killer(["--require-exact", "-s", "KILL", behaviour]).ok();
        service.assert_dead();
    }
    bystander.assert_untouched();
}

/// The same for good. A witness refuses the fork; else the births are a reason (as L5).
#[test]
fn births_that_the_map_refuses() {
    let test = "births_that_the_map_refuses";
    let Some(env) = refusing(test, 9, 0) else { return };
    // Whom nobody knows ends by its own lease.
    let Some(service) = Launch::new("bomb").arg("60").lease(12).service(&env, "svc") else { return };
    std::thread::sleep(Duration::from_millis(300));
    let status = env.killer(["status", "-o", "json", "svc"]);
    let kill = env.killer(["-s", "KILL", "-o", "json", "svc"]);
    if status.ok().json()["tier"] == "witnessed" {
        assert_eq!(reasons(&status), Vec::<String>::new(), "{status}");
        kill.ok();
        service.assert_dead();
    } else {
        assert!(reasons(&status).contains(&"map-full".to_owned()), "{status}");
        assert_eq!(kill.json()["exactness"]["exact"], false, "{kill}");
        assert!(service.live.eof_within(Duration::from_secs(30)), "the lease of the others did not end them");
    }
}

/// The same with ends: the entries stay, so nobody says "empty" until two walks have not met their tasks.
#[test]
fn ends_that_the_map_refuses() {
    let test = "ends_that_the_map_refuses";
    let Some(env) = refusing(test, 0, 9) else { return };
    if !env.pin_root.join("v1/progs/on_reap").exists() {
        return skip(test, "nothing reaps before 5.13, and no map that refuses before 5.11");
    }
    let Some(service) = Launch::new("bomb").arg("60").service(&env, "svc") else { return };
    std::thread::sleep(Duration::from_millis(300));
    let witnessed = env.killer(["status", "-o", "json", "svc"]).ok().json()["tier"] == "witnessed";
    let kill = env.killer(["-s", "KILL", "-o", "json", "svc"]);
    kill.ok();
    service.assert_dead();
    let said = reasons(&kill);
    assert_eq!(said.contains(&"missed-exit".to_owned()), !witnessed, "{kill}");
}

/// L8: a link is unpinned behind our back. From then on nothing that was tracked is called exact; what is known is still
/// killed.
#[test]
fn an_unpinned_link() {
    let test = "an_unpinned_link";
    let Some(env) = TestEnv::new(test) else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["--require-exact", "-s", "0", "svc"]).ok();
    let links = std::fs::read_dir(env.pin_root.join("v1/links")).expect("links");
    let exec = links.flatten().find(|e| e.file_name() == "on_exec").expect("the link of on_exec");
    std::fs::remove_file(exec.path()).expect("unpinning");
    env.killer(["--require-exact", "-s", "0", "svc"]).error(5, &["not attached"]);
    let status = env.killer(["status", "-o", "json", "svc"]);
    assert!(reasons(&status).contains(&"tracker-gap".to_owned()), "{status}");
    env.killer(["doctor"]).code(1);
    // What is known dies; that it was all of it is not claimed.
    env.killer(["-KILL", "svc"]).error(1, &["nobody knows", "on_exec"]);
    service.assert_dead();
}
