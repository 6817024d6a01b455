//! `--wait`: what "released" means, what happens when the time is over, and who may survive a KILL.

use killer_tests::{Freezer, Launch, Pidfd, TestEnv, names_pid, pids};
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn wait_means_released() {
    let Some(env) = TestEnv::reusing("wait_means_released") else { return };
    for option in ["--wait", "--wait=20s", "--wait=1min 30s", "--wait=infinity"] {
        let Some(service) = Launch::new("server").arg("6").arg("24").service(&env, "svc") else { return };
        let handles: Vec<Pidfd> = service.pids().into_iter().filter_map(Pidfd::open).collect();
        let port = service.fact("port") as u16;
        assert_eq!(handles.len(), 7);
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err(), "the port is free too early");
        env.killer(["-KILL", option, "svc"]).ok().silent();
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is not free after {option}");
        let late: Vec<i32> = handles.iter().filter(|h| h.alive()).map(|h| h.pid).collect();
        assert!(late.is_empty(), "not released after {option}: {late:?}");
        assert!(service.live.eof_within(Duration::ZERO));
    }
}

#[test]
fn wait_for_term() {
    let Some(env) = TestEnv::reusing("wait_for_term") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["--wait=10s", "svc"]).ok().silent();
    assert!(service.live.eof_within(Duration::ZERO));
}

#[test]
fn wait_runs_out() {
    let Some(env) = TestEnv::reusing("wait_runs_out") else { return };
    let launch = Launch::new("signal-log").arg(env.path("journal").to_string_lossy()).arg("1");
    let Some(service) = launch.service(&env, "svc") else { return };
    let out = env.killer(["--wait=1s", "svc"]);
    out.code(124);
    assert!((0.9..4.0).contains(&out.took.as_secs_f64()), "{out}");
    for pid in service.pids() {
        assert!(names_pid(&out.stderr, pid), "the survivor {pid} is not named: {out}");
    }
    assert!(out.stdout.is_empty(), "{out}");
    service.assert_alive();
    // Systemd's words wait for the whole service.
    env.killer(["--wait=300ms", "--whom=main", "svc"]).code(124);
    let out = env.killer(["-o", "json", "--wait=300ms", "svc"]);
    out.code(124);
    assert!(pids(&out.json()).is_superset(&service.pids().into_iter().collect()), "{out}");
}

/// Two of the three legitimate survivors (F42), and what is said of them.
#[test]
fn held_by_a_foreign_tracer() {
    let Some(env) = TestEnv::reusing("held_by_a_foreign_tracer") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let victim = service.fact("child");
    let Some(tracer) = Launch::new("tracer").arg(victim.to_string()).lease(20).direct(&env.test) else {
        return;
    };
    let out = env.killer(["-KILL", "--wait=1s", "svc"]);
    out.code(124);
    assert!(names_pid(&out.stderr, victim) && names_pid(&out.stderr, tracer.pid()), "{out}");
    assert!(out.stderr.contains("1 process lives on"), "who has ended does not live on: {out}");
    tracer.assert_untouched_pid();
    drop(tracer);
    env.killer(["-KILL", "--wait=5s", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn held_by_a_freezer() {
    let Some(env) = TestEnv::reusing("held_by_a_freezer") else { return };
    let Some(freezer) = Freezer::new(&env) else {
        killer_tests::skip(&env.test, "no cgroup v1 freezer");
        return;
    };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let victim = service.fact("child");
    freezer.freeze(victim);
    let out = env.killer(["-KILL", "--wait=1s", "svc"]);
    out.code(124);
    let frozen = ["frozen", "freezer"].iter().any(|w| out.stderr.to_lowercase().contains(w));
    assert!(names_pid(&out.stderr, victim) && frozen, "{out}");
    freezer.thaw();
    env.killer(["-KILL", "--wait=5s", "svc"]).ok();
    service.assert_dead();
}
