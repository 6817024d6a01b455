//! `freeze` and `thaw`: no step while frozen, by counters in shared memory that nobody but the members writes; no error that
//! the program could see; nobody lost.

use killer_tests::{Launch, Marks, Pidfd, Service, TestEnv, eventually, proc_state};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const EVERYTHING: &str = "chains+families+threads+spawn+spin";

#[track_caller]
fn assert_still(env: &TestEnv, marks: &Marks, moment: Duration) {
    let before = marks.steps();
    std::thread::sleep(moment);
    let after = marks.steps();
    if before != after {
        let status = env.killer(["status", "-o", "json", "svc"]).json();
        let states: Vec<_> = killer_tests::pids(&status).into_iter().map(|p| (p, proc_state(p))).collect();
        let more = marks.moves();
        panic!("{} steps while frozen; goes on: {more}; {states:?}; {status}", after - before);
    }
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

/// `freeze`, or `None` after a skip.
#[track_caller]
fn freeze(env: &TestEnv) -> Option<()> {
    let out = env.killer(["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        killer_tests::skip(&env.test, "this tier cannot freeze");
        return None;
    }
    out.ok().silent();
    Some(())
}

#[test]
fn no_step_while_frozen() {
    let Some(env) = TestEnv::new("no_step_while_frozen") else { return };
    let rounds: u32 = std::env::var("KILLER_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(8);
    let Some((service, marks)) = Marks::ticking(&env, EVERYTHING) else { return };
    let mut took = Vec::new();
    for _ in 0..rounds {
        assert!(marks.moves(), "it does not run");
        let begun = Instant::now();
        if freeze(&env).is_none() {
            return;
        }
        took.push(begun.elapsed());
        assert_still(&env, &marks, Duration::from_millis(150));
        env.killer(["thaw", "svc"]).ok().silent();
        if marks.word(7) == 1 {
            break;
        }
    }
    assert!(marks.moves(), "it does not go on");
    assert_eq!(marks.errors().0, 0, "the program saw errno {}", marks.errors().1);
    took.sort();
    println!(
        "{rounds} rounds, freeze took {:?} (median), {:?} (most)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    end(&env, &service);
}

#[test]
fn what_is_said_and_done_twice() {
    let Some(env) = TestEnv::new("what_is_said_and_done_twice") else { return };
    env.killer(["freeze", "svc"]).error(4, &["svc"]);
    env.killer(["thaw", "svc"]).error(4, &["svc"]);
    let Some((service, marks)) = Marks::ticking(&env, "families+threads") else { return };
    env.killer(["thaw", "svc"]).ok().silent();
    if freeze(&env).is_none() {
        return;
    }
    env.killer(["freeze", "svc"]).ok().silent();
    let out = env.killer(["status", "svc"]);
    assert!(out.ok().stdout.contains("Freeze: since"), "{out}");
    let out = env.killer(["list"]);
    assert!(out.ok().stdout.contains("frozen"), "{out}");
    // Nobody joins it, and it tells so.
    env.killer(["exec", "--name", "svc", "--", "true"]).error(125, &["frozen", "killer thaw svc"]);
    let out = env.killer(["-v", "-s", "USR2", "--whom=control", "svc"]);
    assert!(out.ok().stdout.contains("is frozen"), "{out}");
    assert_still(&env, &marks, Duration::from_millis(100));
    env.killer(["thaw", "svc"]).ok().silent();
    env.killer(["thaw", "svc"]).ok().silent();
    assert!(marks.moves());
    let out = env.killer(["status", "svc"]);
    assert!(!out.ok().stdout.contains("Freeze"), "{out}");
    end(&env, &service);
    env.killer(["freeze", "svc"]).error(3, &["svc"]);
    env.killer(["thaw", "svc"]).ok();
}

#[test]
fn a_frozen_service_can_be_killed() {
    let Some(env) = TestEnv::new("a_frozen_service_can_be_killed") else { return };
    let Some((service, _)) = Marks::ticking(&env, EVERYTHING) else { return };
    if freeze(&env).is_none() {
        return;
    }
    end(&env, &service);
    let out = env.killer(["status", "svc"]);
    out.code(3);
    assert!(!out.stdout.contains("Freeze"), "{out}");
    // The name is free again, and not frozen.
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
}

/// Whoever may send SIGCONT can wake a member: it is stopped again, and that is counted.
#[test]
fn woken_from_elsewhere() {
    let Some(env) = TestEnv::new("woken_from_elsewhere") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+spin") else { return };
    if freeze(&env).is_none() {
        return;
    }
    let tree = env.killer(["status", "-o", "json", "svc"]).json();
    for pid in killer_tests::pids(&tree) {
        if let Some(p) = Pidfd::open(pid) {
            p.signal(Signal::CONT);
        }
    }
    // Before 6.13 no hook can stop them again: it is said, and no more.
    if !env.killer(["doctor"]).stdout.contains("no bpf_send_signal_task") {
        std::thread::sleep(Duration::from_millis(50));
        assert_still(&env, &marks, Duration::from_millis(150));
    }
    let out = env.killer(["status", "svc"]);
    assert!(out.ok().stdout.contains("from elsewhere"), "{out}");
    env.killer(["thaw", "svc"]).ok();
    assert!(marks.moves());
    end(&env, &service);
}

/// Who was stopped before stays stopped.
#[test]
fn stopped_before() {
    let Some(env) = TestEnv::new("stopped_before") else { return };
    let Some(service) = Launch::new("self-stopped").service(&env, "svc") else { return };
    if freeze(&env).is_none() {
        return;
    }
    env.killer(["thaw", "svc"]).ok().silent();
    std::thread::sleep(Duration::from_millis(100));
    for fact in ["pid", "child"] {
        assert_eq!(proc_state(service.fact(fact)), Some('T'), "{fact} was woken");
    }
    end(&env, &service);
}

/// Bomb, threads, io_uring, a dead leader, a vfork that waits for good: all of them come to rest, and go on or die.
#[test]
fn odd_shapes() {
    let Some(env) = TestEnv::new("odd_shapes") else { return };
    for behaviour in
        ["bomb", "thread-storm", "leader-exits", "vfork", "io-uring", "setsid", "double-fork", "pid-ns"]
    {
        let mut launch = Launch::new(behaviour);
        if behaviour == "bomb" && std::env::var_os("KILLER_GUEST").is_some() {
            // What 400 who fork in vain leave to be freed after a grace period fills 4 GiB before one emulated processor has
            // come to its end, with or without a killer.
            launch = launch.arg("60");
        }
        let Some(service) = launch.service(&env, "svc") else { continue };
        let out = env.killer(["freeze", "svc"]);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            killer_tests::skip(&env.test, "this tier cannot freeze");
            return;
        }
        out.ok();
        let ever = |env: &TestEnv| env.killer(["list", "-o", "json"]).json()["services"][0]["ever"].as_u64();
        let before = ever(&env);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(ever(&env), before, "{behaviour} forks on");
        env.killer(["thaw", "svc"]).ok();
        service.assert_alive();
        env.killer(["freeze", "svc"]).ok();
        end(&env, &service);
        env.killer(["forget", "svc"]).ok();
    }
}

/// The killer itself inside: it could not thaw what it has frozen.
#[test]
fn not_from_inside() {
    let Some(env) = TestEnv::new("not_from_inside") else { return };
    let killer = killer_tests::killer();
    let script = "\"$2\" freeze svc 2>\"$3\"; echo $? >>\"$3\"; exec sleep 30";
    let said = env.path("said");
    let launch = Launch::shell(script).arg(killer.to_string_lossy()).arg(said.to_string_lossy()).quiet();
    let Some(service) = launch.service(&env, "svc") else { return };
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    assert!(eventually(Duration::from_secs(10), || text().ends_with("1\n")), "{}", text());
    assert!(text().contains("cannot thaw himself"), "{}", text());
    service.assert_alive();
    end(&env, &service);
}
