//! Few descriptors, many members: signals first, always, and every wait works with a few.

use killer_tests::{Launch, Out, Service, TestEnv};
use std::os::unix::process::CommandExt;
use std::time::Duration;

/// More than any of the limits below lets a process open.
const MEMBERS: u32 = 300;

/// So many members that end by SIGTERM (`plain`), or by SIGKILL only.
fn many(env: &TestEnv, stubborn: bool) -> Option<Service> {
    let trap = if stubborn { "trap '' TERM;" } else { "" };
    let script = format!(
        "{trap} i=1; while [ $i -lt {MEMBERS} ]; do sleep 50 & i=$((i+1)); done; echo ready n=$i >\"$1\"; exec sleep 50"
    );
    Launch::shell(&script).service(env, "many")
}

/// `killer ARGS` that may have so many descriptors, and cannot raise that.
fn with(env: &TestEnv, most: u64, args: &[&str]) -> Out {
    const CAP_SYS_RESOURCE: libc::c_ulong = 24;
    let mut command = env.command();
    command.args(args);
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: two system calls between fork and exec; the limit is a copy.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0);
            match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    env.finish(command)
}

fn all_verbs(env: &TestEnv, most: u64) {
    let Some(service) = many(env, true) else { return };
    with(env, most, &["-s", "0", "many"]).ok();
    with(env, most, &["-s", "TERM", "many"]).ok().silent();
    with(env, most, &["-s", "TERM", "--wait=10ms", "many"]).code(124);
    with(env, most, &["wait", "many", "--timeout=10ms"]).code(124);
    with(env, most, &["wait", "many", "--until", "size<=400"]).ok();
    with(env, most, &["verify", "many"]).ok();
    service.assert_alive();
    with(env, most, &["-s", "KILL", "--wait", "many"]).ok().silent();
    assert!(service.live.eof_within(Duration::from_secs(1)), "KILL --wait with {most} leaves somebody");
    with(env, most, &["wait", "many"]).ok();

    let Some(service) = many(env, false) else { return };
    if env.killer(["freeze", "many"]).exit() == 0 {
        with(env, most, &["freeze", "many"]).ok();
        with(env, most, &["thaw", "many"]).ok();
        with(env, most, &["freeze", "many"]).ok();
    }
    with(env, most, &["stop", "many"]).ok().silent();
    assert!(service.live.eof_within(Duration::from_secs(1)), "stop with {most} leaves somebody");

    let Some(service) = many(env, true) else { return };
    let out = with(env, most, &["stop", "--timeout=300ms", "-o", "json", "many"]);
    out.ok();
    assert_eq!((&out.json()["empty"], &out.json()["released"]), (&true.into(), &true.into()), "{out}");
    assert!(service.live.eof_within(Duration::from_secs(1)), "SIGKILL of stop with {most} leaves somebody");
}

#[test]
fn programs_with_16() {
    let Some(env) = TestEnv::new("programs_with_16") else { return };
    all_verbs(&env, 16);
}

#[test]
fn programs_with_64() {
    let Some(env) = TestEnv::new("programs_with_64") else { return };
    all_verbs(&env, 64);
}

#[test]
fn programs_with_256() {
    let Some(env) = TestEnv::new("programs_with_256") else { return };
    all_verbs(&env, 256);
}

#[test]
fn named_with_16() {
    let Some(env) = TestEnv::without_programs("named_with_16", "named", None) else { return };
    all_verbs(&env, 16);
}

#[test]
fn scan_with_16() {
    let Some(env) = TestEnv::without_programs("scan_with_16", "scan", None) else { return };
    all_verbs(&env, 16);
}

/// Root raises the limit for itself, and what it starts has the caller's.
#[test]
fn the_limit_is_raised_and_given_back() {
    let Some(env) = TestEnv::new("the_limit_is_raised_and_given_back") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let mut command = env.command();
    command.args(["run", "--name", "limits", "--", "sh", "-c", "echo $(ulimit -Sn) $(ulimit -Hn)"]);
    let with = |mut command: std::process::Command| {
        let limit = libc::rlimit { rlim_cur: 7, rlim_max: 300 };
        // SAFETY: one system call between fork and exec, on a copy.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        env.finish(command)
    };
    let out = with(command);
    assert_eq!(out.ok().stdout, "7 300\n");
    let mut command = env.command();
    command.args(["-s", "KILL", "--wait", "svc"]);
    with(command).ok().silent();
    service.assert_dead();
}

/// Where even the tracker cannot be opened it is said, with what to do.
#[test]
fn too_few_to_open_the_tracker() {
    let Some(env) = TestEnv::new("too_few_to_open_the_tracker") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    with(&env, 8, &["-s", "KILL", "svc"]).error(1, &["8", "ulimit -n"]);
    with(&env, 8, &["run", "--name", "other", "--", "true"]).error(125, &["8", "ulimit -n"]);
    service.assert_alive();
}
