//! The kernel has no random bytes yet (early boot), or never (before 3.17), and there may be no /dev either.

use std::process::Command;
use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually};

/// A world without /dev: an empty file system of its own over it.
fn no_dev(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: system calls between fork and exec, on literals.
    unsafe {
        command.pre_exec(|| {
            let none = c"none".as_ptr();
            let root = libc::MS_REC | libc::MS_PRIVATE;
            let done = libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(none, c"/".as_ptr(), std::ptr::null(), root, std::ptr::null()) == 0
                && libc::mount(none, c"/dev".as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

fn no_entropy(env: Option<TestEnv>, dev: bool) {
    let Some(env) = env else { return };
    for errno in [libc::EAGAIN, libc::ENOSYS] {
        let prepared = |args: &[&str]| {
            let mut command = env.command();
            command.args(args);
            if !dev {
                no_dev(&mut command);
            }
            super::without(&mut command, &[(libc::SYS_getrandom, errno)]);
            command
        };
        let run = prepared(&["run", "--name", "svc", "--detach", "--keep-fds", "--"]);
        let Some((running, service)) = Launch::new("plain").under(&env, run, "svc") else { return };
        running.finish(Duration::from_secs(60)).ok();
        // A supervisor that stays behind looks for the first time after 2 s.
        std::thread::sleep(Duration::from_secs(3));
        service.assert_alive();
        let status = env.finish(prepared(&["status", "svc"])).ok().stdout.clone();
        assert!(!status.contains("supervisor ended before"), "{status}");
        for args in [&["list"][..], &["tree", "svc"], &["--version"], &["verify", "svc"]] {
            env.finish(prepared(args)).ok();
        }
        env.finish(prepared(&["run", "--name", "seven", "--", "sh", "-c", "exit 7"])).code(7);
        env.finish(prepared(&["exec", "--name", "svc", "--", "sh", "-c", "exit 7"])).code(7);
        env.finish(prepared(&["-s", "KILL", "--wait", "svc"])).ok().silent();
        service.assert_dead();
        assert!(eventually(Duration::from_secs(5), || env.killer(["status", "svc"]).exit() == 3));
        env.finish(prepared(&["forget", "svc"])).ok();
    }
}

#[test]
fn no_entropy_with_programs() {
    no_entropy(super::programs("no_entropy_with_programs"), true);
}

#[test]
fn no_entropy_with_named() {
    no_entropy(super::named("no_entropy_with_named"), true);
}

#[test]
fn no_entropy_with_scan() {
    no_entropy(super::scan("no_entropy_with_scan"), true);
}

#[test]
fn no_entropy_and_no_dev_with_programs() {
    no_entropy(super::programs("no_entropy_and_no_dev_with_programs"), false);
}

#[test]
fn no_entropy_and_no_dev_with_named() {
    no_entropy(super::named("no_entropy_and_no_dev_with_named"), false);
}

#[test]
fn no_entropy_and_no_dev_with_scan() {
    no_entropy(super::scan("no_entropy_and_no_dev_with_scan"), false);
}

/// A keeper closes all that its starter has open, and goes on.
#[test]
fn a_keeper_without_entropy() {
    let Some(mut env) = super::programs("a_keeper_without_entropy").map(TestEnv::alone) else { return };
    env.vars.push(("KILLER_KEEPER", "1"));
    for errno in [libc::EAGAIN, libc::ENOSYS] {
        let mut up = env.command();
        up.arg("up");
        super::without(&mut up, &[(libc::SYS_getrandom, errno)]);
        env.finish(up).ok();
        env.killer(["run", "--name", "svc", "--", "sh", "-c", "exit 7"]).code(7);
        env.killer(["down"]).ok();
    }
}
