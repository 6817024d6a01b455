//! A /proc that hides other users' processes (`hidepid=ptraceable`, 5.8+): the caller's ancestors are then asked of the kernel by pidfds; where
//! that cannot be (before 6.13), whoever may be behind them is not signalled in silence.

use std::process::Command;

use killer_tests::{Out, TestEnv, kernel_number, killer, skip};

/// A login from somebody who is hidden: `$1` becomes the user, or loses what root may.
const LOGIN: &str = r#"mount -t proc -o hidepid=4 none /proc && words=$1 && shift && exec setpriv $words sh -c '"$@"; exit $?' sh "$@""#;
const LESS: &str = "--inh-caps=-all --bounding-set=-sys_admin,-sys_ptrace,-bpf,-perfmon";

fn from_login(env: &TestEnv, becomes: &str, lack: &str, args: &[&str]) -> Out {
    let like = env.command();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation=private", "sh", "-c", LOGIN, "sh", becomes])
        .arg(killer())
        .args(args);
    command.envs(like.get_envs().filter_map(|(k, v)| Some((k, v?)))).env("KILLER_LACK", lack);
    command.stdin(std::process::Stdio::null()).current_dir("/");
    env.finish(command)
}

fn told_by_the_kernel(test: &str) -> bool {
    let told = kernel_number() >= (6, 13);
    if !told {
        skip(test, "before 6.13 the kernel does not tell the parent of a process by its pidfd");
    }
    told
}

#[test]
fn a_user_is_told() {
    let test = "a_user_is_told";
    let user = 62_000 + std::process::id() % 1000;
    let Some(env) = TestEnv::without_programs(test, "scan", Some(user)) else { return };
    let user = format!("--reuid={user} --regid={user} --clear-groups");
    from_login(&env, &user, "", &["run", "--name", "web", "--detach", "--", "sleep", "100"]).ok();
    // Whether it reached everybody cannot be seen there either, which is said after it (exit code 1).
    let words = "an ancestor of this killer, cannot be read";
    let out = from_login(&env, &user, "pidfd-info", &["-s", "CONT", "web"]);
    assert!(out.stderr.contains(words), "{out}");
    if told_by_the_kernel(test) {
        let out = from_login(&env, &user, "", &["-s", "CONT", "web"]);
        assert!(!out.stderr.contains(words), "{out}");
    }
    from_login(&env, &user, "", &["-s", "KILL", "--wait", "web"]).ok();
}

#[test]
fn root_is_refused() {
    let test = "root_is_refused";
    let Some(env) = TestEnv::without_programs(test, "scan", None) else { return };
    from_login(&env, LESS, "", &["run", "--name", "web", "--detach", "--", "sleep", "100"]).ok();
    for args in [&["-s", "KILL", "web"][..], &["-n", "-s", "TERM", "web"], &["stop", "web"]] {
        let out = from_login(&env, LESS, "pidfd-info", args);
        out.error(1, &["an ancestor of this killer, cannot be read", "--include-self"]);
    }
    from_login(&env, LESS, "pidfd-info", &["status", "web"]).ok();
    if told_by_the_kernel(test) {
        let out = from_login(&env, LESS, "", &["-s", "CONT", "web"]);
        assert!(!out.stderr.contains("cannot be read, and"), "{out}");
    }
    from_login(&env, LESS, "pidfd-info", &["-s", "KILL", "--wait", "--include-self", "web"]).ok();
}
