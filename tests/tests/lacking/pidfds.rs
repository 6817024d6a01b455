//! Without pidfds (before 5.3): CMD's own code comes back, however short CMD is; signals reach it; who is to end ends.

use killer_tests::{Journal, Launch, TestEnv, eventually};
use rustix::process::Signal;
use std::time::Duration;

const HIDDEN: [(libc::c_long, i32); 2] =
    [(libc::SYS_pidfd_open, libc::ENOSYS), (libc::SYS_pidfd_send_signal, libc::ENOSYS)];

fn short_commands(env: Option<TestEnv>) {
    let Some(env) = env else { return };
    let codes = |words: &[&str], name: &str, cmd: &[&str], code| {
        for _ in 0..40 {
            let mut command = env.command();
            command.args(words).args(["--name", name, "--"]).args(cmd);
            super::without(&mut command, &HIDDEN);
            env.finish(command).code(code);
        }
    };
    codes(&["run"], "short", &["true"], 0);
    codes(&["run"], "short", &["sh", "-c", "exit 7"], 7);
    let Some(service) = Launch::new("daemon").service(&env, "svc") else { return };
    codes(&["exec"], "svc", &["true"], 0);
    codes(&["exec"], "svc", &["sh", "-c", "exit 7"], 7);
    // A stop command that has ended before anybody looks is waited for as well.
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    let mark = env.path("run/stopped");
    std::fs::create_dir_all(env.path("run")).expect("a directory");
    let option = format!("--exec-stop=touch {}", mark.display());
    let Some(service) = Launch::new("term-ignored").run_option(&option).service(&env, "stops") else {
        return;
    };
    let mut command = env.command();
    command.args(["stop", "stops", "--timeout", "1s"]);
    super::without(&mut command, &HIDDEN);
    env.finish(command).ok();
    service.assert_dead();
    assert!(mark.exists(), "the stop command did not run");
}

#[test]
fn short_commands_with_programs() {
    short_commands(super::programs("short_commands_with_programs"));
}

#[test]
fn short_commands_with_named() {
    short_commands(super::named("short_commands_with_named"));
}

#[test]
fn short_commands_with_scan() {
    short_commands(super::scan("short_commands_with_scan"));
}

fn launchers(env: Option<TestEnv>) {
    let Some(env) = env else { return };
    let mut command = env.command();
    let path = env.path("journal");
    command.args(["run", "--name", "listens", "--"]);
    super::without(&mut command, &HIDDEN);
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg("0");
    let Some((running, _service)) = launch.under(&env, command, "listens") else { return };
    let mut journal = Journal::new(path);
    running.pidfd().signal(Signal::USR1);
    let queued = libc::sigval { sival_ptr: 7 as *mut libc::c_void };
    // SAFETY: our own child, not waited for yet; the pointer carries a number.
    assert_eq!(unsafe { libc::sigqueue(running.child.id() as i32, libc::SIGRTMIN() + 1, queued) }, 0);
    let got: Vec<_> = journal.signals(2).iter().map(|t| (t.signal, t.value)).collect();
    assert_eq!(got, [(libc::SIGUSR1, 0), (libc::SIGRTMIN() + 1, 7)], "{}", env.test);
    env.killer(["-KILL", "listens"]).ok();
    drop(running);

    let job = |words: &[&str]| {
        let mut command = env.command();
        command.args(["run", "--name", "job", "--kill-on-exit"]).args(words).arg("--");
        super::without(&mut command, &HIDDEN);
        Launch::shell("setsid sleep 50 & echo ready a=1 > $1; sleep 50").under(&env, command, "job")
    };
    let Some((running, service)) = job(&[]) else { return };
    service.assert_alive();
    running.pidfd().signal(Signal::KILL);
    service.assert_dead();
    // Who has let go of everything is still counted for a moment.
    assert!(eventually(Duration::from_secs(5), || env.killer(["status", "job"]).exit() == 3));
    let Some((running, service)) = job(&["--detach", "--keep-fds"]) else { return };
    running.finish(Duration::from_secs(30)).ok();
    let status = env.killer(["status", "-o", "json", "job"]).ok().json();
    let supervisor = status["supervisor"].as_i64().expect("a supervisor") as i32;
    killer_tests::Pidfd::open(supervisor).expect("it is there").signal(Signal::KILL);
    service.assert_dead();
}

#[test]
fn launchers_with_programs() {
    launchers(super::programs("launchers_with_programs"));
}

#[test]
fn launchers_with_named() {
    launchers(super::named("launchers_with_named"));
}

#[test]
fn launchers_with_scan() {
    launchers(super::scan("launchers_with_scan"));
}
