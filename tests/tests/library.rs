//! The library without the command: the examples that come with it do what they say.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually, skip};

fn example(env: &TestEnv, name: &str) -> Option<Command> {
    // Built beside the tests of the library.
    let me = std::env::current_exe().expect("a path");
    let path: PathBuf = me.parent()?.parent()?.join("examples").join(name);
    if !path.exists() {
        skip(name, "the examples are not here: 'cargo test -p killer-user' builds them");
        return None;
    }
    let mut c = Command::new(path);
    c.env("KILLER_PIN_ROOT", &env.pin_root).envs(env.vars.iter().copied());
    Some(c)
}

fn said(out: &Output) -> String {
    assert!(out.status.success(), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn runs_a_job_and_ends_it() {
    let Some(env) = TestEnv::reusing("runs_a_job_and_ends_it") else { return };
    let Some(mut c) = example(&env, "run_job") else { return };
    let script = "for i in 1 2 3; do setsid sleep 300 & done; sleep 300";
    let out = said(&c.args(["job", "sh", "-c", script]).output().expect("it runs"));
    assert!(out.contains("empty: true, exact") && out.contains("5 of 5 processes"), "{out}");
    env.killer(["status", "job"]).error(4, &["no such service 'job'"]);
}

#[test]
fn stops_a_service() {
    let Some(env) = TestEnv::reusing("stops_a_service") else { return };
    let Some(mut c) = example(&env, "stop_service") else { return };
    let Some(service) = Launch::shell("sleep 300 & echo ready > $1; wait").service(&env, "web") else {
        return;
    };
    let out = said(&c.arg("web").output().expect("it runs"));
    assert!(out.contains("stopped: empty: true, released: true"), "{out}");
    service.assert_dead();
    let Some(mut c) = example(&env, "stop_service") else { return };
    assert!(said(&c.arg("wbe").output().expect("it runs")).contains("no such service 'wbe'"));
}

#[test]
fn tells_whose_a_process_is() {
    let Some(env) = TestEnv::reusing("tells_whose_a_process_is") else { return };
    let script = "setsid sleep 300 & echo ready child=$! > $1; exec sleep 300";
    let Some(service) = Launch::shell(script).service(&env, "web") else { return };
    let child = service.fact("child").to_string();
    let ask =
        |pid: &str| example(&env, "service_of").map(|mut c| said(&c.arg(pid).output().expect("it runs")));
    let Some(out) = ask(&child) else { return };
    assert!(out.contains("is a member of web (exact)"), "{out}");
    assert!(ask(&std::process::id().to_string()).is_some_and(|o| o.contains("in no service")));
    env.killer(["-KILL", "web"]).ok();
    service.assert_dead();
    assert!(eventually(Duration::from_secs(5), || ask(&child).is_some_and(|o| o.contains("in no service"))));
}
