//! `adopt --move`: one member and what descends from it leave a service, the rest stays tracked.

use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually, everywhere_alone};

fn processes(env: &TestEnv, name: &str) -> Option<u64> {
    env.killer(["status", "-o", "json", name]).json()["counts"]["processes"].as_u64()
}

fn adopt_move(env: &TestEnv, name: &str, pid: i32) -> killer_tests::Out {
    env.killer(["adopt", "--move", name, "--pid", &pid.to_string()])
}

/// A server that was started by hand in a tracked login; one of its processes was orphaned at birth.
const LOGIN: &str = r#"
    setsid sh -c '(sleep 50 & echo $! >"$0.new"; mv "$0.new" "$0"); exec sleep 50' "$2" & w=$!
    until [ -e "$2" ]; do sleep 0.02; done; read -r orphan <"$2"
    sleep 50 & echo ready web=$w orphan=$orphan >"$1"; exec sleep 50"#;

#[test]
fn one_leaves_and_the_rest_stays() {
    everywhere_alone("one_leaves_and_the_rest_stays", |env| {
        let launch = Launch::shell(LOGIN).arg(env.path("web").to_string_lossy());
        let Some(login) = launch.service(env, "login") else { return };
        let web = login.fact("web");
        let out = adopt_move(env, "web", web);
        if env.tier() == Some("scan") {
            out.error(1, &["cannot be moved", "scan"]);
            env.killer(["status", "web"]).code(4);
            assert_eq!(processes(env, "login"), Some(4));
            env.killer(["-KILL", "--wait", "login"]).ok();
            return login.assert_dead();
        }
        out.ok();
        // A cgroup does not say which process forked an orphan; the programs do.
        let knows_orphans = env.tier() != Some("named");
        let moved = if knows_orphans { 2 } else { 1 };
        assert_eq!((processes(env, "web"), processes(env, "login")), (Some(moved), Some(4 - moved)));
        let json = env.killer(["status", "-o", "json", "web"]).ok().json();
        assert!(json.to_string().contains("adopted-late"), "called exact: {json}");
        assert_eq!(json["main"]["pid"].as_i64(), Some(i64::from(web)), "{json}");
        // Neither ends with the other.
        env.killer(["-KILL", "--wait", "login"]).ok();
        assert_eq!(processes(env, "web"), Some(moved));
        login.assert_alive();
        env.killer(["-KILL", "--wait", "web"]).ok();
        login.assert_dead();
        for name in ["login", "web"] {
            env.killer(["status", name]).code(3);
            env.killer(["forget", name]).ok();
        }
    });
}

#[test]
fn what_forks_and_ends_is_moved_whole() {
    let Some(env) = TestEnv::new("what_forks_and_ends_is_moved_whole") else { return };
    // Processes that fork, end and are orphaned all the time, in a subtree and beside it.
    let script = r#"
        storm() { while :; do (sleep 0.01 & sleep 0.02 & :); sh -c 'sleep 0.01 & :'; done; }
        storm & a=$!
        storm & echo ready a=$a >"$1"; exec sleep 50"#;
    let Some(service) = Launch::shell(script).service(&env, "s0") else { return };
    let a = service.fact("a");
    for i in 0..6 {
        let next = format!("s{}", i + 1);
        adopt_move(&env, &next, a).ok();
        let json = env.killer(["status", "-o", "json", &next]).ok().json();
        assert!(json["counts"]["processes"].as_u64() >= Some(1), "{json}");
    }
    for i in 0..=6 {
        // Those between are empty: what was born in them has gone on, too, or has ended.
        env.killer(["-KILL", "--wait", &format!("s{i}")]);
    }
    service.assert_dead();
    for i in 0..=6 {
        env.killer(["status", &format!("s{i}")]).code(3);
    }
}

#[test]
fn threads_go_with_their_process() {
    let Some(env) = TestEnv::new("threads_go_with_their_process") else { return };
    let Some(service) = Launch::new("thread-storm").service(&env, "storm") else { return };
    let main = env.killer(["status", "-o", "json", "storm"]).ok().json()["main"]["pid"].as_i64();
    let main = main.expect("a main process") as i32;
    adopt_move(&env, "moved", main).ok();
    let empty = || processes(&env, "storm") == Some(0);
    assert!(eventually(Duration::from_secs(10), empty), "{}", env.killer(["status", "storm"]));
    env.killer(["-KILL", "--wait", "moved"]).ok();
    service.assert_dead();
    env.killer(["status", "moved"]).code(3);
}

#[test]
fn nobody_is_moved_out_of_a_frozen_set() {
    let Some(env) = TestEnv::reusing("nobody_is_moved_out_of_a_frozen_set") else { return };
    let Some(service) = Launch::new("plain").service(&env, "held") else { return };
    let child = service.fact("child");
    env.killer(["freeze", "held"]).ok();
    adopt_move(&env, "thief", child).error(1, &["frozen", "killer thaw held"]);
    env.killer(["status", "thief"]).code(4);
    env.killer(["thaw", "held"]).ok();
    adopt_move(&env, "held", child).error(1, &["'held'"]);
    adopt_move(&env, "free", child).ok();
    for name in ["held", "free"] {
        env.killer(["-KILL", "--wait", name]).ok();
        env.killer(["forget", name]).ok();
    }
    service.assert_dead();
}

/// Beside the one that it leaves, so inside of what is around that: the outer one has promised every descendant.
#[test]
fn it_stays_inside_of_what_is_around() {
    let Some(env) = TestEnv::new("it_stays_inside_of_what_is_around") else { return };
    let killer = killer_tests::killer();
    let script = format!(
        "{} run --inside --detach --name inner -- sh -c 'sleep 50 & exec sleep 50'; echo ready code=$? > \"$1\"; exec sleep 50",
        killer.display()
    );
    let Some(service) = Launch::shell(&script).service(&env, "outer") else { return };
    let json = env.killer(["status", "-o", "json", "inner"]).ok().json();
    let main = json["main"]["pid"].as_i64().expect("a main process") as i32;
    adopt_move(&env, "free", main).ok();
    let out = env.killer(["-n", "-KILL", "outer"]);
    assert!(out.ok().stdout.contains("free"), "{out}");
    env.killer(["-KILL", "--wait", "outer"]).ok();
    service.assert_dead();
}
