//! Without pidfds (before 5.3): CMD's own code comes back, however short CMD is.

use killer_tests::{Launch, TestEnv};

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
