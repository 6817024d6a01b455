//! A /proc that is not there, or shows another PID namespace: nothing is done that would rest on it, and it is said.

use killer_tests::{Launch, TestEnv};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// `killer` with an empty /proc, or (`other`) one in which it is not who it is.
fn without(env: &TestEnv, args: &[&str], other: bool) -> Command {
    let mut command = env.command();
    command.args(args);
    let check = |done: i32| if done == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: system calls with constant strings, in a child that has one thread.
    unsafe {
        command.pre_exec(move || {
            let (tmpfs, none) = (c"tmpfs".as_ptr(), std::ptr::null());
            check(libc::unshare(libc::CLONE_NEWNS))?;
            check(libc::mount(tmpfs, c"/".as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))?;
            check(libc::mount(tmpfs, c"/proc".as_ptr(), tmpfs, 0, none.cast()))?;
            if other {
                check(libc::symlink(c"1".as_ptr(), c"/proc/self".as_ptr()))?;
                check(libc::mkdir(c"/proc/stat".as_ptr(), 0o755))?;
            }
            Ok(())
        });
    }
    command
}

#[test]
fn no_proc() {
    let Some(env) = TestEnv::new("no_proc") else { return };
    let Some(service) = Launch::new("daemon").service(&env, "svc") else { return };
    let pid = std::process::id().to_string();
    for (other, word) in [(false, "nothing is mounted at /proc"), (true, "shows another PID namespace")] {
        for args in [
            &["list"][..],
            &["status", "svc"],
            &["verify", "svc"],
            &["freeze", "svc"],
            &["thaw", "svc"],
            &["-s", "TERM", "svc"],
            &["-s", "KILL", "svc"],
            &["stop", "svc"],
            &["run", "--name", "late", "--", "true"],
            &["adopt", "late", "--pid", &pid],
            &["down", "--force"],
        ] {
            let out = env.finish(without(&env, args, other));
            assert_ne!(out.exit(), 0, "{out}");
            assert!(out.stderr.contains(word), "{out}");
            assert!(out.stderr.contains("mount -t proc") || args[0] == "adopt", "{out}");
            assert!(out.stdout.is_empty(), "{out}");
        }
        let out = env.finish(without(&env, &["doctor"], other));
        assert!(out.stdout.contains(word), "{out}");
        // Nothing else is to blame.
        for false_words in ["lacks CAP", "needs root", "run it as root", "no cgroup v1 filesystem"] {
            assert!(!out.stdout.contains(false_words), "{out}");
        }
    }
    service.assert_alive();
    let list = env.killer(["list", "-o", "json"]).ok().json();
    assert_eq!(list["services"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["services"][0]["exactness"]["exact"], true, "{list}");
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    assert!(service.live.eof_within(Duration::from_secs(2)), "survivors");
}
