//! Who has ended and is not reaped yet still has its number: that is said, and can be waited for.

use killer_tests::{TestEnv, eventually, names_pid};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child of this process, which is reaped when the test says so, and not before.
struct Unreaped(Child);

impl Unreaped {
    fn adopted(env: &TestEnv) -> Unreaped {
        let sleep = Command::new("sleep").arg("60").stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let held = Unreaped(sleep.expect("sleep"));
        env.killer(["adopt", "svc", "--pid", &held.pid().to_string()]).ok();
        held
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// As the next start of a daemon asks for the number in its pidfile.
    fn is_taken(&self) -> bool {
        rustix::process::Pid::from_raw(self.pid())
            .is_some_and(|p| rustix::process::test_kill_process(p) != Err(rustix::io::Errno::SRCH))
    }
}

impl Drop for Unreaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn each_way(env: &TestEnv) {
    let me = std::process::id() as i32;
    for way in [&["-s", "KILL", "--wait", "svc"][..], &["stop", "svc"]] {
        let held = Unreaped::adopted(env);
        let out = env.killer(way);
        out.ok();
        assert!(held.is_taken(), "this test's own child was reaped by nobody");
        assert!(names_pid(&out.stderr, held.pid()) && names_pid(&out.stderr, me), "{out}");
        assert!(out.stderr.contains("reaped"), "{out}");
        let status = env.killer(["status", "svc"]);
        assert!(status.stdout.contains("ended"), "{status}");
        env.killer(["forget", "svc"]).ok();
    }
    for way in [&["-s", "KILL", "--wait=reaped:300ms"][..], &["stop", "--wait=reaped:300ms"]] {
        let held = Unreaped::adopted(env);
        let out = env.killer(way.iter().chain(&["-o", "json", "svc"]));
        out.code(124);
        assert!(names_pid(&out.stderr, held.pid()) && names_pid(&out.stderr, me), "{out}");
        let json = out.json();
        assert_eq!(json["outcome"], "unreaped", "{out}");
        assert_eq!((&json["empty"], &json["released"]), (&true.into(), &true.into()), "{out}");
        assert_eq!(json["unreaped"][0]["pid"], held.pid(), "{out}");
        assert!(json["survivors"].as_array().is_some_and(|s| s.is_empty()), "{out}");
        env.killer(["forget", "svc"]).ok();
    }
    // Its parent reaps it a moment later.
    for way in [&["-s", "KILL", "--wait=reaped", "svc"][..], &["stop", "--wait=reaped:20s", "svc"]] {
        let mut held = Unreaped::adopted(env);
        let mut command = env.command();
        command.args(way);
        let call = env.spawn(command);
        let zombie = || {
            std::fs::read_to_string(format!("/proc/{}/stat", held.pid())).is_ok_and(|s| s.contains(") Z "))
        };
        assert!(eventually(Duration::from_secs(20), zombie));
        std::thread::sleep(Duration::from_millis(300));
        assert!(call.pidfd().alive(), "{way:?} did not wait for its parent");
        let _ = held.0.wait();
        call.finish(Duration::from_secs(20)).ok();
        assert!(!held.is_taken());
        env.killer(["forget", "svc"]).ok();
    }
    // What nobody understands.
    env.killer(["--wait=reaped:soon", "svc"]).code(2);
    env.killer(["stop", "--wait=5s", "svc"]).code(2);
}

#[test]
fn programs() {
    let Some(env) = TestEnv::reusing("programs") else { return };
    each_way(&env);
}

#[test]
fn named() {
    let Some(env) = TestEnv::without_programs("named", "named", None) else { return };
    each_way(&env);
}

#[test]
fn scan() {
    let Some(env) = TestEnv::without_programs("scan", "scan", None) else { return };
    each_way(&env);
}
